import Evaluation
import Foundation
import Tensors
import TestSupport
import Testing

/// Metrics of single images' features, where the right answer is known without another program.
@Suite struct FeatureMetricTests {
  private let pools = [1, 2, 5].map { WorkerPool(threads: $0) }

  private func set(_ features: Tensor) throws -> FeatureSet { try FeatureSet(features, extractor: testExtractor) }
  private func set(_ rows: [[Float]]) throws -> FeatureSet {
    try set(Tensor([rows.count, rows[0].count], rows.flatMap { $0 }))
  }

  // MARK: Any metric

  /// More images than a block of rows, a number that blocks do not divide, and several pools.
  @Test func bitsDoNotDependOnThreads() throws {
    let a = try set(randomFeatures(700, 6, seed: 1))
    let b = try set(randomFeatures(530, 6, seed: 2, scale: 1.2))
    let subsets = KernelDistance.Subsets(count: 7, size: 520)
    let kernel = try pools.map { try KernelDistance.compute(a, b, subsets: subsets, seed: 3, pool: $0) }
    #expect(kernel.allSatisfy { $0 == kernel[0] })
    let manifold = try pools.map { try ManifoldScores.compute(generated: a, reference: b, pool: $0) }
    #expect(manifold.allSatisfy { $0 == manifold[0] })
    let side = try FrechetSide(accumulated(randomFeatures(530, 6, seed: 2)).statistics(), name: "b")
    let limit = try pools.map {
      try FrechetExtrapolation.compute(generated: a, reference: side, seed: 3, pool: $0)
    }
    #expect(limit.allSatisfy { $0 == limit[0] })
  }

  @Test func setsThatCannotBeComparedAreRefused() throws {
    let pool = pools[0]
    let (a, b) = (try set(randomFeatures(8, 3, seed: 1)), try set(randomFeatures(8, 4, seed: 1)))
    #expect(throws: EvaluationError.dimensionsDiffer(3, 4)) {
      try ManifoldScores.compute(generated: a, reference: b, pool: pool)
    }
    let other = FeatureExtractorIdentity(name: "other", mode: "none", digest: "00")
    let stranger = try FeatureSet(randomFeatures(8, 3, seed: 1), extractor: other)
    #expect(throws: EvaluationError.extractorsDiffer(testExtractor, other)) {
      try KernelDistance.compute(a, stranger, seed: 0, pool: pool)
    }
    let few = try set(randomFeatures(3, 3, seed: 1))
    let error = #expect(throws: EvaluationError.self) { try KernelDistance.compute(a, few, seed: 0, pool: pool) }
    #expect(error?.description == "error[E-SCORE-COUNT]: a kernel distance needs at least 4 images, found 3")
    #expect(throws: EvaluationError.tooFewForMetric(metric: "density and coverage", needed: 6, found: 3)) {
      try ManifoldScores.compute(generated: few, reference: a, pool: pool)
    }
  }

  @Test func featuresThatAreNoNumbersNameTheirImage() throws {
    var grown = try set(randomFeatures(2, 2, seed: 1))
    let error = #expect(throws: EvaluationError.self) { try grown.add(Tensor([2, 2], [0, 1, .nan, 2])) }
    #expect(
      error?.description == "error[E-FEATURES-NONFINITE]: features are not finite: image 3, feature 0: nan")
    #expect(grown.count == 2)
  }

  // MARK: Kernel distance

  /// Two points each, in one dimension: x = {0, 1}, y = {2, 3}; k(x, y) = (xy + 1)^3.
  @Test func kernelDistanceOfFourPoints() throws {
    let (x, y) = (try set([[0], [1]]), try set([[2], [3]]))
    let result = try KernelDistance.compute(x, y, choices: [(first: [0, 1], second: [1, 0])], pool: pools[0])
    // Within x: k(0, 1) = 1. Within y: k(2, 3) = 343. Between: 1 + 1 + 27 + 64 over 4.
    #expect(result.mean == 1 + 343 - 2 * 93.0 / 4 && result.deviation == 0)
  }

  /// Unbiased: over independent sets of one distribution the mean is 0 to within its own scatter.
  @Test func kernelDistanceOfEqualDistributionsIsZeroOnAverage() throws {
    let estimates = try (0..<40).map { trial in
      let a = try set(randomFeatures(30, 4, seed: UInt64(2 * trial)))
      let b = try set(randomFeatures(30, 4, seed: UInt64(2 * trial + 1)))
      let all = Array(0..<30)
      return try KernelDistance.compute(a, b, choices: [(first: all, second: all)], pool: pools[0]).mean
    }
    let mean = estimates.reduce(0, +) / 40
    let variance = estimates.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 39
    #expect(abs(mean) < 3 * (variance / 40).squareRoot())
    #expect(estimates.contains { $0 < 0 })
  }

  @Test func smallSetsAreComparedInHalves() throws {
    let a = try set(randomFeatures(40, 4, seed: 1))
    let b = try set(randomFeatures(50, 4, seed: 2, scale: 2))
    let result = try KernelDistance.compute(a, b, seed: 0, pool: pools[1])
    #expect(result.subsets == KernelDistance.Subsets(count: 100, size: 20) && result.deviation > 0)
    #expect(
      result.warnings == ["kernel distance: 40 images are fewer than a subset of 1000; subsets of 20 instead"])
    let again = try KernelDistance.compute(a, b, seed: 0, pool: pools[0])
    #expect(again == result)
    let otherSeed = try KernelDistance.compute(a, b, seed: 1, pool: pools[0])
    #expect(otherSeed.mean != result.mean)
    // Another choice of subsets scatters by their deviation over the square root of their number.
    #expect(abs(otherSeed.mean - result.mean) < result.deviation)
  }

  // MARK: Manifolds

  /// Reference: 0, 1, …, 9 on a line; the third nearest of an inner point is 2 away, of the ends 3 and 2.
  @Test func manifoldsOnALine() throws {
    let reference = try set((0..<10).map { [Float($0)] })
    // Inside a ball, just outside the last one (9 + 3), far away; 3 more far away, close together.
    let generated = try set([[4.5], [12.5], [1000], [1001], [1002], [1003]])
    let scores = try ManifoldScores.compute(generated: generated, reference: reference, pool: pools[0])
    #expect(scores.precision == 1.0 / 6)
    // The balls of 4.5 (radius to the third nearest: 996.5) and of 12.5 hold every reference image.
    #expect(scores.recall == 1)
    // Fifth-nearest radii of 0…9: 5 4 3 3 3 3 3 3 4 5. Around 4.5: 1 (3.5 <= 4), 2, 3, …, 7 and 8 (3.5 <= 4), and 0 (4.5 <= 5), 9.
    // Around 12.5: 8 is 4.5 away (radius 4), 9 is 3.5 away (radius 5).
    #expect(scores.density == 11.0 / 30 && scores.coverage == 1)
  }

  /// Of a set with itself every image is in a ball; and around each image lie at least the balls it is a near neighbour of.
  @Test func aSetCoversItself() throws {
    let a = try set(randomFeatures(300, 5, seed: 9, scale: 100))
    let scores = try ManifoldScores.compute(generated: a, reference: a, pool: pools[1])
    #expect(scores.precision == 1 && scores.recall == 1 && scores.coverage == 1)
    // Each ball holds its centre and its 5 nearest: (5 + 1) / 5, exactly, though the 5th lies on the rim.
    #expect(scores.density == 1.2)
  }

  @Test func equalImagesHaveBallsOfNoRadius() throws {
    let constant = try set([[Float]](repeating: [3, -1, 0.1], count: 8))
    let elsewhere = try set([[Float]](repeating: [3, -1, 0.2], count: 8))
    let same = try ManifoldScores.compute(generated: constant, reference: constant, pool: pools[0])
    #expect(same.precision == 1 && same.recall == 1 && same.density == 1.6 && same.coverage == 1)
    let apart = try ManifoldScores.compute(generated: elsewhere, reference: constant, pool: pools[0])
    #expect(apart.precision == 0 && apart.recall == 0 && apart.density == 0 && apart.coverage == 0)
  }

  // MARK: Classifier score

  /// Confident and spread evenly over K classes: K. The same for all: 1.
  @Test func classifierScoreOfKnownDistributions() throws {
    let classes = 4
    let identity = Tensor([classes, classes], (0..<classes * classes).map { $0 % (classes + 1) == 0 ? 1 : 0 })
    let head = ClassifierHead(weight: identity, bias: nil)
    let sure = try set((0..<40).map { row in (0..<classes).map { $0 == row % classes ? 2000 : 0 } })
    let order = Array(0..<40)
    let best = try ClassifierScore.compute(sure, head: head, splits: 10, order: order)
    #expect(abs(best.mean - 4) < 1e-12 && best.deviation < 1e-12)
    let unsure = try set([[Float]](repeating: [1, 1, 1, 1], count: 40))
    #expect(abs(try ClassifierScore.compute(unsure, head: head, splits: 10, order: order).mean - 1) < 1e-12)
    // The bias is part of the logits: it can make all images one class.
    let biased = ClassifierHead(weight: identity, bias: [5000, 0, 0, 0])
    #expect(abs(try ClassifierScore.compute(sure, head: biased, splits: 10, order: order).mean - 1) < 1e-12)
    #expect(best.warnings == ["classifier score: 40 images for 4 classes; the score of few images is too low"])
    #expect(throws: EvaluationError.tooFewForMetric(metric: "a score of 10 splits", needed: 10, found: 9)) {
      try ClassifierScore.compute(sure, head: head, splits: 10, order: Array(0..<9))
    }
  }

  // MARK: Extrapolation

  /// Images of the reference's own distribution: the distance of N images is all bias, and the extrapolated one is 0.
  @Test func extrapolationRemovesTheBias() throws {
    let dimension = 10
    let reference = FrechetSide.self
    let truth = try reference.init(
      gaussian(
        [Double](repeating: 0, count: dimension), DoubleMatrix(diagonal: [Double](repeating: 1, count: dimension))),
      name: "truth")
    let features = randomFeatures(600, dimension, seed: 17)
    let plain = try FrechetDistance.compute(
      FrechetSide(accumulated(features).statistics(), name: "images"), truth
    ).distance
    let result = try FrechetExtrapolation.compute(
      generated: set(features), reference: truth, seed: 5, pool: pools[1])
    // About (d + d (d + 1) / 4) / N = 0.0625. In 200 simulated sets (numpy) the extrapolated value had a deviation of 0.015,
    // and the interval a width of 0.05 to 0.16.
    #expect(plain > 0.04 && plain < 0.09 && result.slope > 0)
    #expect(abs(result.distance) < 0.045)
    #expect(result.interval.contains(0) && result.interval.upperBound - result.interval.lowerBound < 0.2)
    #expect(result.points.map(\.count) == [600, 300, 200, 150, 120] && result.warnings.isEmpty)
    // The first point is all images, in another order of summation.
    #expect(abs(result.points[0].distance - plain) < 1e-9)
    #expect(zip(result.points, result.points.dropFirst()).allSatisfy { $0.distance < $1.distance })
  }

  @Test func extrapolationNeedsImages() throws {
    let truth = try FrechetSide(gaussian([0, 0], DoubleMatrix(diagonal: [1, 1])), name: "truth")
    #expect(throws: EvaluationError.tooFewForMetric(metric: "an extrapolation", needed: 40, found: 39)) {
      try FrechetExtrapolation.compute(
        generated: set(randomFeatures(39, 2, seed: 1)), reference: truth, seed: 0, pool: pools[0])
    }
    // As few as allowed, and fewer than features.
    let wide = try FrechetSide(
      gaussian([Double](repeating: 0, count: 60), DoubleMatrix(diagonal: [Double](repeating: 1, count: 60))), name: "b")
    let result = try FrechetExtrapolation.compute(
      generated: set(randomFeatures(40, 60, seed: 1)), reference: wide, seed: 0, pool: pools[0])
    #expect(result.distance.isFinite && result.points.map(\.count) == [40, 20])
    #expect(
      result.warnings == [
        "extrapolation: 40 images for 60 features; below 244 the bias is not a multiple of 1/N, and the result is off by more than its interval says"
      ])
  }
}
