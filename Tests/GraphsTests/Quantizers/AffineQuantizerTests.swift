import Graphs
import Tensors
import Testing

@Suite struct AffineQuantizerTests {
  /// The example of the method's published search, with the scale and zero point each rule finds for it.
  private let weights: [Float] = [-1.0, -0.3, 0.05, 0.4, 0.9, 2.0]

  private func codes(_ quantizer: AffineQuantizer, _ values: [Float]) -> [UInt8] {
    quantizer.codes(values, channelStride: 1, channelCount: values.count)
  }

  @Test func publishedExamples() {
    #expect(codes(AffineQuantizer(bits: 4, scale: 0.194, zeroPoint: 5), weights) == [0, 3, 5, 7, 10, 15])
    #expect(codes(AffineQuantizer(bits: 4, scale: 0.2, zeroPoint: 5), weights) == [0, 3, 5, 7, 9, 15])
    // Symmetric 8 bits are signed -64, -19, 3, 25, 57, 127 around the middle code 128; -63.5 is a tie and goes to even.
    #expect(
      codes(AffineQuantizer(bits: 8, scale: 2.0 / 127, zeroPoint: 128), weights) == [64, 109, 131, 153, 185, 255])
  }

  @Test func tiesGoToEven() {
    let quantizer = AffineQuantizer(bits: 8, scale: 0.5, zeroPoint: 10)
    #expect(codes(quantizer, [0.25, 0.75, 1.25, -0.25, -0.75, -1.25]) == [10, 12, 12, 10, 8, 8])
  }

  @Test func nothingOverflows() {
    let quantizer = AffineQuantizer(bits: 4, scale: 1e-30, zeroPoint: 7)
    let hostile: [Float] = [.nan, .infinity, -.infinity, 3e38, -3e38, 0, -0.0]
    #expect(codes(quantizer, hostile) == [7, 15, 0, 15, 0, 7, 7])
  }

  @Test func simulationIsTheDequantisedCode() {
    let quantizers = [
      AffineQuantizer(bits: 4, scale: 0.21, zeroPoint: 5),
      AffineQuantizer(
        bits: 8, granularity: .perChannel, scales: [0.01, 0.5, 0.003], zeroPoints: [128, 0, 255]),
      AffineQuantizer(bits: 3, granularity: .split(boundaries: [1]), scales: [0.3, 0.9], zeroPoints: [4, 2]),
    ]
    for quantizer in quantizers {
      var simulated = weights
      quantizer.simulate(&simulated, channelStride: 2, channelCount: 3)
      let codes = quantizer.codes(weights, channelStride: 2, channelCount: 3)
      #expect(simulated == quantizer.dequantized(codes, channelStride: 2, channelCount: 3))
    }
  }

  @Test func granulesFollowTheChannelAxis() {
    let split = AffineQuantizer(bits: 8, granularity: .split(boundaries: [2]), scales: [1, 10], zeroPoints: [0, 0])
    // Channels 0 and 1 in steps of 1, channel 2 in steps of 10; two positions per channel, then the next image's.
    #expect(
      split.codes([4, 4, 4, 4, 40, 40, 7, 7, 7, 7, 70, 70], channelStride: 2, channelCount: 3) == [
        4, 4, 4, 4, 4, 4, 7, 7, 7, 7, 7, 7,
      ])
    let image = ChannelLayout(.image(ImageShape(channels: 3, height: 4, width: 5)))
    #expect(image == ChannelLayout(.image(ImageShape(channels: 3, height: 2, width: 10))))
    #expect((image.stride, image.count) == (20, 3))
    let tokens = ChannelLayout(.tokens(count: 6, width: 8))
    #expect((tokens.stride, tokens.count) == (1, 8))
    #expect((ChannelLayout(.vector(7)).stride, ChannelLayout(.vector(7)).count) == (1, 7))
    // Splitting equal granules changes nothing.
    let both = AffineQuantizer(bits: 4, granularity: .split(boundaries: [1]), scales: [0.2, 0.2], zeroPoints: [5, 5])
    let one = AffineQuantizer(bits: 4, scale: 0.2, zeroPoint: 5)
    #expect(
      both.codes(weights, channelStride: 2, channelCount: 3) == one.codes(weights, channelStride: 2, channelCount: 3))
  }
}
