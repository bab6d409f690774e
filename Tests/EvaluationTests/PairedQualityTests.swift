import Evaluation
import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct PairedQualityTests {
  private let shape = ImageShape(channels: 1, height: 2, width: 2)

  private func decibels(_ ratio: Double) -> Double { 10 * log10(ratio) }

  /// One level off everywhere: 20 log10(255) = 48.1308… dB; 255 levels off: 0 dB.
  @Test func peakRatiosOfKnownImages() throws {
    let quality = try PairedQuality(
      reference: [10, 20, 30, 40, 0, 0, 255, 255, 7, 7, 7, 7], other: [11, 19, 31, 39, 255, 255, 0, 0, 7, 7, 7, 7],
      shape: shape)
    let oneLevel = 48.1308036086791
    #expect(quality.images.count == 3 && quality.images[2] == .identical && quality.identicalCount == 1)
    #expect(abs(try #require(quality.images[0].number) - oneLevel) < 1e-12)
    #expect(quality.images[1] == .value(0))
    // The identical pair has no dB; pooled, it is a third of the pixels without error.
    #expect(abs(try #require(quality.meanDecibels) - oneLevel / 2) < 1e-12)
    let mean = (1.0 + 65025 + 0) / 3
    #expect(abs(try #require(quality.pooled.number) - decibels(65025 / mean)) < 1e-12)
    #expect(quality.peak == 255)
  }

  /// (x + 1) * 127.5 maps a peak of 2 to 255: pixel values and [-1, 1] values give the same ratio.
  @Test func floatAndByteImagesAgree() throws {
    let bytes: ([UInt8], [UInt8]) = ([0, 255, 17, 100], [3, 250, 17, 90])
    let floats = [bytes.0, bytes.1].map { Tensor([1, 1, 2, 2], $0.map { Float($0) / 127.5 - 1 }) }
    let a = try PairedQuality(reference: bytes.0, other: bytes.1, shape: shape)
    let b = try PairedQuality(reference: floats[0], other: floats[1])
    // Float pixels carry a rounding of 2^-24 beside differences of at least 3 / 127.5.
    #expect(abs(try #require(a.pooled.number) - #require(b.pooled.number)) < 1e-4)
  }

  @Test func identicalSetsHaveNoDecibels() throws {
    let quality = try PairedQuality(reference: [1, 2, 3, 4], other: [1, 2, 3, 4], shape: shape)
    #expect(quality.pooled == .identical && quality.meanDecibels == nil && quality.identicalCount == 1)
  }

  /// Signal 1, deviation 0.1 of it: 20 dB; and energies pool before the logarithm.
  @Test func signalToNoisePoolsEnergies() throws {
    let reference = Tensor([2, 2], [1, 0, 0, 3])
    let other = Tensor([2, 2], [1.125, 0, 0, 3])
    let pairs = try SignalToNoise.perImage(reference: reference, other: other)
    #expect(pairs[0] == SignalToNoise(signal: 1, noise: 0.015625, count: 2))
    #expect(pairs[0].ratio == .value(decibels(64)) && pairs[1].ratio == .identical)
    let pooled = pairs[0] + pairs[1]
    #expect(pooled.ratio == .value(decibels(640)))
    #expect(pooled.relativeSquaredError == 1 / 640.0 && pairs[1].relativeSquaredError == 0)
  }

  @Test func whatIsNoNumberSaysSo() throws {
    let zero = try SignalToNoise.perImage(reference: Tensor([1, 1], [0]), other: Tensor([1, 1], [1]))
    #expect(zero[0].ratio == .undefined && zero[0].relativeSquaredError == nil)
    let diverged = try SignalToNoise.perImage(reference: Tensor([1, 1], [1]), other: Tensor([1, 1], [.nan]))
    #expect(diverged[0].ratio == .undefined && diverged[0].peakRatio(peak: 2) == .undefined)
    let infinite = try SignalToNoise.perImage(reference: Tensor([1, 1], [1]), other: Tensor([1, 1], [.infinity]))
    #expect(infinite[0].ratio == .undefined)
  }

  @Test func shapesThatDifferAreRefused() {
    let error = #expect(throws: EvaluationError.self) {
      try SignalToNoise.perImage(reference: Tensor([2, 3]), other: Tensor([3, 2]))
    }
    #expect(error?.description == "error[E-PAIR-SHAPE]: paired images differ in shape: [2, 3] and [3, 2]")
    #expect(throws: EvaluationError.pairShapes([1, 1, 2, 2], [2, 1, 2, 2])) {
      try PairedQuality(
        reference: [UInt8](repeating: 0, count: 4), other: [UInt8](repeating: 0, count: 8), shape: shape)
    }
  }
}
