import Foundation
import Tensors
import Testing

@Suite("Noise")
struct NoiseSourceTests {
  static let shape = ImageShape(channels: 1, height: 2, width: 2)

  /// First four normals of one image, as bit patterns. Computed apart from this code: Philox in Python integers, Box-Muller
  /// with mpmath at 40 digits from u = (word + 1/2) / 2^32, rounded to Double, then to Float. Changing any of them changes
  /// every image that a seed stands for.
  @Test("written values")
  func writtenValues() {
    func bits(_ seed: UInt64, _ stream: NoiseStream, _ image: Int, _ draw: NoiseDraw) -> [UInt32] {
      NoiseSource(seed: seed, stream: stream).normals(images: [image], shape: Self.shape, draw: draw).values.map(
        \.bitPattern)
    }
    #expect(bits(0, .sample, 0, .initial) == [0x3f7d_bb33, 0xbf6c_b6b0, 0xbf1e_1b9f, 0xbef6_d1b2])
    #expect(bits(0, .sample, 1, .initial) == [0x3f88_a6cb, 0xbed9_c6b5, 0xc017_8cdf, 0xbe6d_0d85])
    #expect(bits(0, .sample, 0, .step(0)) == [0x3f91_747c, 0xbf2d_06ab, 0x3f9e_cbb6, 0x3e65_a217])
    #expect(bits(0, .calibrate, 0, .initial) == [0x3ee8_b990, 0xbfb1_4647, 0xbd29_abab, 0xbfb5_44f7])
    #expect(bits(0, .recipe, 0, .initial) == [0x3e10_472e, 0xbe1f_a6c8, 0xbf10_d7a4, 0x3d89_76b9])
    #expect(bits(42, .sample, 12345, .initial) == [0xbf93_58a7, 0xbfe4_88d3, 0x4011_3309, 0xbefe_395b])
  }

  /// Seed with both halves, image index above 2^32, step 999, elements 780 to 783: every word of key and counter counts.
  @Test("written values that use every word of the counter")
  func everyWord() {
    let noise = NoiseSource(seed: 0x0123_4567_89ab_cdef, stream: .sample)
    let values = noise.normals(
      images: [(5 << 32) + 7], shape: ImageShape(channels: 1, height: 28, width: 28), draw: .step(999)
    ).values
    #expect(values[780..<784].map(\.bitPattern) == [0xbfb2_34b4, 0xbf54_3797, 0x3fbf_0a90, 0xbf26_87cb])
  }

  @Test("an image's noise depends on its index alone, whatever else is in the batch")
  func batchInvariance() {
    let noise = NoiseSource(seed: 9, stream: .sample)
    let shape = ImageShape(channels: 3, height: 5, width: 3)
    let together = noise.normals(images: [4, 0, 77], shape: shape, draw: .step(3))
    #expect(together.dims == [3, 3, 5, 3])
    for (row, image) in [4, 0, 77].enumerated() {
      #expect(noise.normals(images: [image], shape: shape, draw: .step(3)) == together.rows(row..<row + 1))
    }
  }

  @Test("a block is cut where the image ends, and a larger image starts with the smaller one's values")
  func partialBlocks() {
    let noise = NoiseSource(seed: 9, stream: .sample)
    let large = noise.normals(images: [2], shape: ImageShape(channels: 1, height: 1, width: 9), draw: .initial)
    for width in 1..<9 {
      let small = noise.normals(images: [2], shape: ImageShape(channels: 1, height: 1, width: width), draw: .initial)
      #expect(small.values == Array(large.values[..<width]))
    }
  }

  @Test("no image, no values")
  func emptyBatch() {
    let noise = NoiseSource(seed: 0, stream: .sample)
    #expect(noise.normals(images: [], shape: Self.shape, draw: .initial).dims == [0, 1, 2, 2])
  }

  /// Kolmogorov-Smirnov and moments of 262,144 values. Limits are 4 standard errors (and the KS statistic's 0.1% point,
  /// 1.95 / sqrt(n)): a correct generator passes for 99.9% of seeds, and this seed is fixed.
  @Test("values are standard normal", arguments: [NoiseStream.sample, .calibrate])
  func distribution(stream: NoiseStream) {
    let tensor = NoiseSource(seed: 1234, stream: stream).normals(
      images: Array(0..<64), shape: ImageShape(channels: 1, height: 64, width: 64), draw: .initial)
    let values = tensor.values.map(Double.init).sorted()
    let n = Double(values.count)
    func moment(_ power: Double) -> Double { values.reduce(0) { $0 + pow($1, power) } / n }
    // Variances of the sample moments of a standard normal: E z^2p - (E z^p)^2 = 1, 2, 15, 96.
    #expect(abs(moment(1)) < 4 * (1 / n).squareRoot())
    #expect(abs(moment(2) - 1) < 4 * (2 / n).squareRoot())
    #expect(abs(moment(3)) < 4 * (15 / n).squareRoot())
    #expect(abs(moment(4) - 3) < 4 * (96 / n).squareRoot())
    var distance = 0.0
    for (rank, value) in values.enumerated() {
      let cumulative = 0.5 * erfc(-value / 2.0.squareRoot())
      distance = max(distance, abs(cumulative - Double(rank) / n), abs(cumulative - Double(rank + 1) / n))
    }
    #expect(distance < 1.95 / n.squareRoot())
  }

  @Test("neighbouring elements, images and steps are uncorrelated")
  func independence() {
    let noise = NoiseSource(seed: 77, stream: .sample)
    let shape = ImageShape(channels: 1, height: 64, width: 64)
    let images = Array(0..<16)
    let base = noise.normals(images: images, shape: shape, draw: .initial).values
    let nextImages = noise.normals(images: images.map { $0 + 1 }, shape: shape, draw: .initial).values
    let nextStep = noise.normals(images: images, shape: shape, draw: .step(0)).values
    let n = Double(base.count)
    func correlation(_ a: some Sequence<Float>, _ b: some Sequence<Float>) -> Double {
      zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) } / n
    }
    // The product of two independent normals has variance 1.
    let limit = 4 / n.squareRoot()
    #expect(abs(correlation(base, nextImages)) < limit)
    #expect(abs(correlation(base, nextStep)) < limit)
    for lag in 1...4 { #expect(abs(correlation(base, base.dropFirst(lag))) < limit) }
  }

  @Test("streams and seeds differ everywhere")
  func disjointStreams() {
    var seen: Set<[Float]> = []
    for stream in NoiseStream.allCases {
      for seed: UInt64 in [0, 1, 1 << 32] {
        for draw in [NoiseDraw.initial, .step(0), .step(1)] {
          seen.insert(
            NoiseSource(seed: seed, stream: stream).normals(images: [0], shape: Self.shape, draw: draw).values)
        }
      }
    }
    #expect(seen.count == 9 * NoiseStream.allCases.count)
  }
}
