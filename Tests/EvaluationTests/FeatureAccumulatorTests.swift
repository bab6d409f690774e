import Evaluation
import Tensors
import TestSupport
import Testing

@Suite struct FeatureAccumulatorTests {
  /// Grid values small enough for exact Double arithmetic: the statistics must be the textbook ones to rounding.
  @Test func meanAndCovarianceOfAKnownSample() throws {
    let statistics = try accumulated(Tensor([4, 2], [1, 10, 2, 20, 3, 30, 6, 20])).statistics()
    #expect(statistics.count == 4 && statistics.mean == [3, 20])
    // Squared deviations 4 + 1 + 0 + 9 = 14, products 20 + 0 + 0 + 0 = 20, 100 + 100 = 200; divided by n - 1 = 3.
    let expected = [14, 20, 20, 200].map { Double($0) / 3 }
    #expect(statistics.covariance.values == expected)
    #expect(statistics.extractor == testExtractor)
  }

  /// Against a two-pass evaluation in Double of the unrounded features. Rounding to the grid moves a feature by at most
  /// 2^-25, so a covariance of unit features by at most about 2 * 2^-25.
  @Test func agreesWithATwoPassEvaluation() throws {
    let (count, width) = (500, 5)
    let features = randomFeatures(count, width, seed: 3)
    let statistics = try accumulated(features).statistics()
    let rows = (0..<count).map { row in (0..<width).map { Double(features.values[row * width + $0]) } }
    let mean = (0..<width).map { i in rows.reduce(0) { $0 + $1[i] } / Double(count) }
    for i in 0..<width {
      #expect(abs(statistics.mean[i] - mean[i]) <= 0x1p-25)
      for j in 0..<width {
        let product = rows.reduce(0) { $0 + ($1[i] - mean[i]) * ($1[j] - mean[j]) } / Double(count - 1)
        #expect(abs(statistics.covariance[i, j] - product) <= 0x1p-23)
      }
    }
  }

  @Test func bitsDependOnNeitherOrderNorBatchesNorPartition() throws {
    let features = randomFeatures(200, 7, seed: 11, scale: 30)
    let whole = try accumulated(features)
    var random = SplitMix64(5)
    let order = Array(0..<200).shuffled(using: &random)
    var shuffled = FeatureAccumulator(extractor: testExtractor, dimension: 7)
    for index in order { try shuffled.add(features.rows(index..<index + 1), images: [index]) }
    #expect(shuffled == whole)
    for cuts in [[0, 64, 128, 200], [0, 1, 3, 100, 101, 200], [0, 199, 200]] {
      let parts = try zip(cuts, cuts.dropFirst()).map { try accumulated(features.rows($0..<$1), from: $0) }
      var merged = parts[parts.count - 1]
      for part in parts.dropLast() { try merged.merge(part) }
      #expect(merged == whole)
      #expect(try merged.statistics().covariance == whole.statistics().covariance)
    }
  }

  /// Values near both ends of the range in one set: sums of squares near 2^94 beside ones near 1 stay exact.
  @Test func extremesOfTheRangeStayExact() throws {
    let large = Float(0x1p23).nextDown
    let statistics = try accumulated(Tensor([2, 2], [large, 0x1p-24, -large, -0x1p-24])).statistics()
    #expect(statistics.mean == [0, 0])
    #expect(statistics.covariance[0, 0] == 2 * Double(large) * Double(large))
    #expect(statistics.covariance[0, 1] == 2 * Double(large) * 0x1p-24)
    #expect(statistics.covariance[1, 1] == 0x1p-47)
  }

  @Test func constantFeaturesHaveExactlyNoVariance() throws {
    let statistics = try accumulated(Tensor([1000, 3], repeating: 0.1)).statistics()
    #expect(statistics.covariance.values.allSatisfy { $0 == 0 })
    #expect(statistics.mean.allSatisfy { abs($0 - 0.1) <= 0x1p-25 })
    let zero = try accumulated(Tensor([10, 3], repeating: 0)).statistics()
    #expect(zero.mean == [0, 0, 0])
  }

  @Test func imagesCountTwiceAreRefusedByRange() throws {
    var accumulator = try accumulated(randomFeatures(10, 2, seed: 1))
    let before = accumulator
    let twice = #expect(throws: EvaluationError.self) {
      try accumulator.add(randomFeatures(4, 2, seed: 2), images: [8, 9, 10, 11])
    }
    #expect(
      twice?.description
        == "error[E-STATS-OVERLAP]: images would be counted twice: 8-9\nhint: merge only statistics of disjoint image ranges"
    )
    #expect(throws: EvaluationError.imagesOverlap([20...20])) {
      try accumulator.add(randomFeatures(2, 2, seed: 2), images: [20, 20])
    }
    #expect(throws: EvaluationError.imagesOverlap([0...3, 7...7])) {
      var other = try accumulated(randomFeatures(4, 2, seed: 3))
      try other.add(randomFeatures(1, 2, seed: 3), images: [7])
      try accumulator.merge(other)
    }
    #expect(accumulator == before)
    #expect(twice?.exit == .conflict)
  }

  @Test func nonFiniteFeaturesNameTheirImages() throws {
    var accumulator = FeatureAccumulator(extractor: testExtractor, dimension: 2)
    let error = #expect(throws: EvaluationError.self) {
      try accumulator.add(Tensor([3, 2], [1, .nan, 1, 1, -.infinity, 0x1p30]), images: [7, 8, 9])
    }
    #expect(
      error?.description
        == "error[E-FEATURES-NONFINITE]: features are not finite: image 7, feature 1: nan; image 9, feature 0: -inf")
    #expect(accumulator.images.isEmpty)
  }

  @Test func featuresBeyondTheGridAreRefused() throws {
    var accumulator = FeatureAccumulator(extractor: testExtractor, dimension: 1)
    let error = #expect(throws: EvaluationError.self) {
      try accumulator.add(Tensor([2, 1], [1e20, 1]), images: [41, 42])
    }
    #expect(
      error?.description
        == "error[E-FEATURES-RANGE]: features reach the fixed-point limit of ±8388608.0: image 41, feature 0: 1e+20")
    try accumulator.add(randomFeatures(50, 1, seed: 1, scale: 1e-20), images: 0..<50)
    let small = #expect(throws: EvaluationError.self) { try accumulator.statistics() }
    #expect(
      small?.description
        == "error[E-FEATURES-SCALE]: features have a root mean square of 0.0, expected at least 0.000244140625: the fixed-point sums rounded 50 of them to zero"
    )
  }

  /// Single features that vanish beside ordinary ones are ordinary rounding.
  @Test func smallFeaturesBesideOrdinaryOnesAreFine() throws {
    let statistics = try accumulated(Tensor([2, 2], [1e-20, 1, 0, 2])).statistics()
    #expect(statistics.covariance.values == [0, 0, 0, 0.5])
  }

  @Test func shapesAndIndicesThatDoNotFitAreRefused() throws {
    var accumulator = FeatureAccumulator(extractor: testExtractor, dimension: 2)
    #expect(throws: EvaluationError.featureShape(expected: 2, found: [4, 3])) {
      try accumulator.add(Tensor([4, 3]), images: 0..<4)
    }
    #expect(throws: EvaluationError.imageCount(rows: 4, indices: 3)) {
      try accumulator.add(Tensor([4, 2]), images: 0..<3)
    }
    #expect(throws: EvaluationError.imageIndex(-1, limit: 268_435_456)) {
      try accumulator.add(Tensor([1, 2]), images: [-1])
    }
    #expect(throws: EvaluationError.tooFewImages(1)) { try accumulated(Tensor([1, 2], [1, 2])).statistics() }
  }

  @Test func mergingOtherFeaturesIsRefused() throws {
    var accumulator = try accumulated(randomFeatures(3, 2, seed: 1))
    let other = FeatureExtractorIdentity(name: "test-features", mode: "none", digest: "ff")
    let error = #expect(throws: EvaluationError.self) {
      try accumulator.merge(FeatureAccumulator(extractor: other, dimension: 2))
    }
    #expect(
      error?.message == """
        the statistics come from different feature extractors:
          test-features (none; weights 00)
          test-features (none; weights ff)
        """)
    #expect(throws: EvaluationError.dimensionsDiffer(2, 3)) {
      try accumulator.merge(FeatureAccumulator(extractor: testExtractor, dimension: 3))
    }
  }
}
