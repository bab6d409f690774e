import Evaluation
import Tensors

/// Scores of two sets as lines of text and as JSON. No line is without the extractor's name.
struct ScoreReport {
  private let a: ScoredSet
  private let b: ScoredSet
  private let seed: UInt64
  private let extractor: FeatureExtractorIdentity?
  private var metrics: [ConfigurationValue.Entry] = []
  private(set) var lines: [String] = []
  private(set) var warnings: [String] = []
  /// Two metrics come from one computation.
  private(set) var manifold: ManifoldScores?

  init(_ a: ScoredSet, _ b: ScoredSet, seed: UInt64) {
    self.a = a
    self.b = b
    self.seed = seed
    extractor = a.statistics.extractor ?? b.statistics.extractor
  }

  private var on: String {
    extractor.map { "on \(printable($0.name)) features" } ?? "on features of an unknown extractor"
  }

  private mutating func warn(_ texts: [String]) {
    for text in texts where !warnings.contains(text) { warnings.append(text) }
  }

  /// - Parameter spatial: whether it is the distance of spatial features.
  mutating func add(_ result: FrechetDistance, spatial: Bool = false) {
    let title = spatial ? result.title : FrechetDistance.title(extractor)
    lines.append("\(title): \(fixed(result.distance, 6))")
    metrics.append(
      .init(
        spatial ? "sfid" : "frechet",
        [
          "distance": .number(result.distance), "mean_term": .number(result.meanTerm),
          "trace_term": .number(result.traceTerm), "residual": .number(result.residual),
        ]))
    warn(result.warnings)
  }

  mutating func add(_ result: FrechetExtrapolation) {
    let (low, high) = (result.interval.lowerBound, result.interval.upperBound)
    lines.append(
      "\(FrechetDistance.title(extractor)), extrapolated to infinitely many generated images: \(fixed(result.distance, 6)) "
        + "(95 % interval \(fixed(low, 6)) to \(fixed(high, 6)))")
    metrics.append(
      .init(
        "frechet_infinity",
        [
          "distance": .number(result.distance), "low": .number(low), "high": .number(high),
          "slope": .number(result.slope),
          "points": .list(
            result.points.map { ["images": .integer($0.count), "distance": .number($0.distance)] }),
        ]))
    warn(result.warnings)
  }

  mutating func add(_ result: KernelDistance) {
    lines.append(
      "\(KernelDistance.title(extractor)): \(fixed(result.mean, 8)) ± \(fixed(result.deviation, 8)) "
        + "(\(result.subsets.count) subsets of \(result.subsets.size))")
    metrics.append(
      .init(
        "kid",
        [
          "mean": .number(result.mean), "deviation": .number(result.deviation),
          "subsets": .integer(result.subsets.count), "subset_size": .integer(result.subsets.size),
        ]))
    warn(result.warnings)
  }

  mutating func add(_ result: ManifoldScores, _ metric: ScoreMetric) {
    manifold = result
    let isPrecision = metric == .precisionRecall
    let k = isPrecision ? ManifoldScores.precisionNeighbours : ManifoldScores.densityNeighbours
    let (first, second) = isPrecision ? (result.precision, result.recall) : (result.density, result.coverage)
    let names = isPrecision ? ("precision", "recall") : ("density", "coverage")
    lines.append(
      "\(isPrecision ? "Precision and recall" : "Density and coverage") \(on), k = \(k): "
        + "\(fixed(first, 6)) and \(fixed(second, 6))")
    metrics.append(
      .init(
        "\(names.0)_\(names.1)",
        .map([.init(names.0, .number(first)), .init(names.1, .number(second)), .init("k", .integer(k))])))
    warn(result.warnings)
  }

  mutating func add(_ result: ClassifierScore) {
    lines.append(
      "\(ClassifierScore.title(extractor)): \(fixed(result.mean, 6)) ± \(fixed(result.deviation, 6)) "
        + "(\(result.splits) splits)")
    metrics.append(
      .init(
        "classifier_score",
        [
          "mean": .number(result.mean), "deviation": .number(result.deviation), "splits": .integer(result.splits),
        ]))
    warn(result.warnings)
  }

  var value: ConfigurationValue {
    func side(_ set: ScoredSet) -> ConfigurationValue {
      ["path": .string(set.path), "images": set.statistics.count.map { .integer($0) } ?? .null]
    }
    return [
      "schema": 1,
      "extractor": extractor.map {
        ["name": .string($0.name), "mode": .string($0.mode), "digest": .string($0.digest)]
      } ?? .null,
      "generated": side(a), "reference": side(b), "seed": .string(String(seed)), "metrics": .map(metrics),
      "warnings": .list(warnings.map { .string($0) }),
    ]
  }
}
