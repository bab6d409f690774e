import Evaluation
import Tensors
import TestSupport
import Testing

@Suite struct StructuralSimilarityTests {
  private let grey = ImageShape(channels: 1, height: 16, width: 13)

  private func noise(_ shape: ImageShape, seed: UInt64) -> [UInt8] {
    var random = SplitMix64(seed)
    return (0..<shape.count).map { _ in UInt8.random(in: 0...255, using: &random) }
  }

  @Test func equalImagesHaveExactlyOne() {
    for shape in [grey, ImageShape(channels: 3, height: 11, width: 11), ImageShape(channels: 1, height: 1, width: 4)] {
      let image = noise(shape, seed: 1)
      #expect(StructuralSimilarity.mean(reference: image, other: image, shape: shape) == 1)
    }
  }

  /// Constant images of levels a and b have no contrast: (2ab + C1) / (a^2 + b^2 + C1).
  @Test func constantImagesCompareTheirLevels() {
    let (a, b) = (100.0, 120.0)
    let constant = (0.01 * 255) * (0.01 * 255)
    let found = StructuralSimilarity.mean(
      reference: [UInt8](repeating: 100, count: grey.count), other: [UInt8](repeating: 120, count: grey.count),
      shape: grey)
    #expect(abs(found - (2 * a * b + constant) / (a * a + b * b + constant)) < 1e-12)
  }

  @Test func isSymmetricAndFallsWithDistance() {
    let image = noise(grey, seed: 1)
    let near = image.map { $0 < 250 ? $0 + 5 : $0 }
    let far = noise(grey, seed: 2)
    let similarity = { (x: [UInt8], y: [UInt8]) in StructuralSimilarity.mean(reference: x, other: y, shape: grey) }
    #expect(similarity(image, near) == similarity(near, image))
    #expect(similarity(image, near) > 0.98 && abs(similarity(image, far)) < 0.3)
  }

  /// A window that does not fit shrinks to the largest odd square; a single pixel compares levels alone.
  @Test func smallImagesHaveSmallerWindows() {
    let sizes = [(28, 28), (11, 40), (10, 40), (4, 4), (2, 9), (1, 1)].map {
      StructuralSimilarity.windowSize(for: ImageShape(channels: 1, height: $0.0, width: $0.1))
    }
    #expect(sizes == [11, 11, 9, 3, 1, 1])
    let pixel = ImageShape(channels: 1, height: 1, width: 1)
    let constant = (0.01 * 255) * (0.01 * 255)
    #expect(
      abs(
        StructuralSimilarity.mean(reference: [10], other: [30], shape: pixel) - (600 + constant) / (1000 + constant))
        < 1e-12)
  }

  @Test func theLeastSimilarPairsComeFirst() throws {
    let image = noise(grey, seed: 1)
    var comparison = PairedComparison(shape: grey)
    for other in [image, noise(grey, seed: 2), image.map { $0 / 2 }, image] {
      try comparison.add(reference: image, other: other)
    }
    #expect(comparison.worstFirst == [1, 2, 0, 3])
    #expect(comparison.quality.identicalCount == 2 && comparison.similarities[0] == 1)
    #expect(throws: EvaluationError.pairShapes([208], [207])) {
      try comparison.add(reference: image, other: Array(image.dropLast()))
    }
  }
}
