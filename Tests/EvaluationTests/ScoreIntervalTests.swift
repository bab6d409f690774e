import Evaluation
import Foundation
import Tensors
import TestSupport
import Testing

/// Intervals against what they claim: over many independent pairs of sets, they hold the mean of the estimates about 95 % of
/// the time, and are about as wide as the estimates scatter.
@Suite struct ScoreIntervalTests {
  private static let trials = 60
  private static let pool = WorkerPool(threads: 2)

  private static func sets(_ trial: Int) throws -> (a: FeatureSet, b: FeatureSet) {
    func set(_ seed: Int, _ count: Int, scale: Float) throws -> FeatureSet {
      try FeatureSet(randomFeatures(count, 3, seed: UInt64(seed), scale: scale), extractor: testExtractor)
    }
    return (try set(2 * trial, 80, scale: 1), try set(2 * trial + 1, 90, scale: 1.3))
  }

  /// Checks intervals of a score whose estimates scatter around a mean. Of 60 intervals that hold with 95 %, 50 or fewer do
  /// in 5 of 10000 cases. A width of 2 x 2.26 standard errors is expected; the jackknife's errors are not below the true ones.
  private static func check(_ name: String, _ results: [(estimate: Double, interval: ScoreInterval)]) {
    let estimates = results.map(\.estimate)
    let mean = estimates.reduce(0, +) / Double(estimates.count)
    let deviation = (estimates.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(estimates.count - 1)).squareRoot()
    let held = results.count { $0.interval.bounds.contains(mean) }
    let width =
      results.reduce(0) { $0 + $1.interval.bounds.upperBound - $1.interval.bounds.lowerBound }
      / Double(results.count)
    #expect(held > 50, "\(name): \(held) of \(results.count)")
    #expect((3.4...8).contains(width / deviation), "\(name): \(width / deviation) deviations wide")
  }

  /// Of a trial's sets.
  private static func sides(_ trial: Int) throws -> (generated: FrechetSide, reference: FrechetSide) {
    func statistics(_ seed: Int, _ count: Int, _ scale: Float) throws -> FeatureStatistics {
      try accumulated(randomFeatures(count, 3, seed: UInt64(seed), scale: scale)).statistics()
    }
    return try FrechetDistance.sides(
      statistics(2 * trial, 80, 1), statistics(2 * trial + 1, 90, 1.3), names: ("a", "b"))
  }

  @Test func frechetIntervalsHoldTheirDistance() throws {
    let results = try (0..<Self.trials).map { trial in
      let (a, b) = try Self.sets(trial)
      let sides = try Self.sides(trial)
      let interval = try FrechetDistance.interval(sides, generated: a, reference: b, seed: 1, pool: Self.pool)
      #expect(interval.coversReference && interval.bounds.lowerBound >= 0)
      return (try FrechetDistance.compute(sides.generated, sides.reference).distance, interval)
    }
    Self.check("Fréchet distance", results)
  }

  @Test func kernelIntervalsHoldTheirDistance() throws {
    let results = try (0..<Self.trials).map { trial in
      let (a, b) = try Self.sets(trial)
      let subsets = KernelDistance.Subsets(count: 40, size: 40)
      let distance = try KernelDistance.compute(a, b, subsets: subsets, seed: 1, pool: Self.pool)
      return (distance.mean, try distance.interval(a, b, seed: 1, pool: Self.pool))
    }
    Self.check("kernel distance", results)
  }

  @Test func manifoldIntervalsHoldTheirScores() throws {
    let results = try (0..<Self.trials).map { trial in
      let (a, b) = try Self.sets(trial)
      let scores = try ManifoldScores.compute(generated: a, reference: b, pool: Self.pool)
      return (scores, try scores.intervals(generated: a, reference: b, seed: 1, pool: Self.pool))
    }
    Self.check("precision", results.map { ($0.0.precision, $0.1.precision) })
    Self.check("recall", results.map { ($0.0.recall, $0.1.recall) })
    Self.check("density", results.map { ($0.0.density, $0.1.density) })
    Self.check("coverage", results.map { ($0.0.coverage, $0.1.coverage) })
  }

  /// Splits share no images: the error of their mean is their deviation over the root of one less than their number.
  @Test func intervalsOfSplitsFollowFromTheirDeviation() throws {
    let head = ClassifierHead(weight: Tensor([3, 3], [1, 0, 0, 0, 1, 0, 0, 0, 1]), bias: nil)
    let set = try FeatureSet(randomFeatures(200, 3, seed: 5), extractor: testExtractor)
    let score = try ClassifierScore.compute(set, head: head, seed: 2)
    let interval = try #require(score.interval)
    let margin = 2.262157162740992 * score.deviation / 3
    #expect(abs(interval.upperBound - score.mean - margin) < 1e-12)
    #expect(abs(score.mean - interval.lowerBound - margin) < 1e-12)
    #expect(try ClassifierScore.computeConsecutively(set, head: head).interval == nil)
  }

  /// From the reference's statistics alone the interval is of the generated images, and narrower.
  @Test func withoutReferenceImagesTheIntervalSaysSo() throws {
    let (a, b) = try Self.sets(0)
    let sides = try Self.sides(0)
    let both = try FrechetDistance.interval(sides, generated: a, reference: b, seed: 1, pool: Self.pool)
    let one = try FrechetDistance.interval(sides, generated: a, reference: nil, seed: 1, pool: Self.pool)
    #expect(!one.coversReference && both.bounds.contains(one.bounds.lowerBound))
    #expect(both.bounds.contains(one.bounds.upperBound) && both.bounds != one.bounds)
    let again = try FrechetDistance.interval(sides, generated: a, reference: b, seed: 1, pool: WorkerPool(threads: 1))
    let otherSeed = try FrechetDistance.interval(sides, generated: a, reference: b, seed: 2, pool: Self.pool)
    #expect(again == both && otherSeed != both)
  }

  @Test func fewImagesHaveNoInterval() throws {
    let few = try FeatureSet(randomFeatures(19, 3, seed: 1), extractor: testExtractor)
    let enough = try FeatureSet(randomFeatures(20, 3, seed: 2), extractor: testExtractor)
    let refusal = EvaluationError.tooFewForMetric(metric: "an interval", needed: 20, found: 19)
    let scores = try ManifoldScores.compute(generated: enough, reference: few, pool: Self.pool)
    #expect(throws: refusal) {
      try scores.intervals(generated: enough, reference: few, seed: 0, pool: Self.pool)
    }
    let kernel = try KernelDistance.compute(few, enough, seed: 0, pool: Self.pool)
    #expect(throws: refusal) { try kernel.interval(few, enough, seed: 0, pool: Self.pool) }
    #expect(try kernel.interval(enough, enough, seed: 0, pool: Self.pool).bounds.contains(0))
  }
}
