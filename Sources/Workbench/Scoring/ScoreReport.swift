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
  /// The same for a page.
  private(set) var scores: [ReportDocument.Score] = []
  private(set) var warnings: [String]
  /// Two metrics come from one computation.
  private(set) var manifold: ManifoldScores?
  private(set) var manifoldIntervals: ManifoldScores.Intervals?

  init(_ a: ScoredSet, _ b: ScoredSet, seed: UInt64) {
    self.a = a
    self.b = b
    self.seed = seed
    extractor = a.statistics.extractor ?? b.statistics.extractor
    warnings = distinct(a.warnings + b.warnings)
  }

  private var on: String {
    extractor.map { "on \(printable($0.name)) features" } ?? "on features of an unknown extractor"
  }

  private mutating func warn(_ texts: [String]) { warnings = distinct(warnings + texts) }

  /// ", 95 % interval a to b": where reference images are not known one by one, of the generated ones alone.
  private static func text(_ interval: ScoreInterval?, digits: Int) -> String? {
    interval.map { text($0.bounds, digits: digits) + ($0.coversReference ? "" : " for the choice of generated images") }
  }

  private static func text(_ bounds: ClosedRange<Double>, digits: Int) -> String {
    "95 % interval \(fixed(bounds.lowerBound, digits)) to \(fixed(bounds.upperBound, digits))"
  }

  private static func entries(
    _ bounds: ClosedRange<Double>?, coversReference: Bool, prefix: String = ""
  ) -> [ConfigurationValue.Entry] {
    guard let bounds else { return [] }
    return [
      .init(prefix + "low", .number(bounds.lowerBound)), .init(prefix + "high", .number(bounds.upperBound)),
      .init(prefix + "interval_over", .string(coversReference ? "generated and reference images" : "generated images")),
    ]
  }

  private static func entries(_ interval: ScoreInterval?, prefix: String = "") -> [ConfigurationValue.Entry] {
    entries(interval?.bounds, coversReference: interval?.coversReference ?? false, prefix: prefix)
  }

  /// - Parameter spatial: whether it is the distance of spatial features.
  mutating func add(_ result: FrechetDistance, _ interval: ScoreInterval?, spatial: Bool = false) {
    let title = spatial ? result.title : FrechetDistance.title(extractor)
    add(title, result.distance, bounds: interval?.bounds)
    lines.append("\(title): \(fixed(result.distance, 6))" + (Self.text(interval, digits: 6).map { " (\($0))" } ?? ""))
    metrics.append(
      .init(
        spatial ? "sfid" : "frechet",
        .map(
          [
            .init("distance", .number(result.distance)), .init("mean_term", .number(result.meanTerm)),
            .init("trace_term", .number(result.traceTerm)), .init("residual", .number(result.residual)),
          ] + Self.entries(interval))))
    warn(result.warnings)
  }

  mutating func add(_ result: FrechetExtrapolation) {
    let title = "\(FrechetDistance.title(extractor)), extrapolated to infinitely many generated images"
    add(title, result.distance, bounds: result.interval)
    lines.append(
      "\(title): \(fixed(result.distance, 6)) "
        + "(\(Self.text(result.interval, digits: 6)))")
    metrics.append(
      .init(
        "frechet_infinity",
        [
          "distance": .number(result.distance), "low": .number(result.interval.lowerBound),
          "high": .number(result.interval.upperBound),
          "slope": .number(result.slope),
          "points": .list(
            result.points.map { ["images": .integer($0.count), "distance": .number($0.distance)] }),
        ]))
    warn(result.warnings)
  }

  mutating func add(_ result: KernelDistance, _ interval: ScoreInterval?) {
    add(KernelDistance.title(extractor), result.mean, deviation: result.deviation, bounds: interval?.bounds)
    lines.append(
      "\(KernelDistance.title(extractor)): \(fixed(result.mean, 8)) ± \(fixed(result.deviation, 8)) "
        + "(\(result.subsets.count) subsets of \(result.subsets.size)"
        + (Self.text(interval, digits: 8).map { "; \($0)" } ?? "") + ")")
    metrics.append(
      .init(
        "kid",
        .map(
          [
            .init("mean", .number(result.mean)), .init("deviation", .number(result.deviation)),
            .init("subsets", .integer(result.subsets.count)), .init("subset_size", .integer(result.subsets.size)),
          ] + Self.entries(interval))))
    warn(result.warnings)
  }

  mutating func add(_ result: ManifoldScores, _ intervals: ManifoldScores.Intervals?, _ metric: ScoreMetric) {
    (manifold, manifoldIntervals) = (result, intervals)
    let isPrecision = metric == .precisionRecall
    let k = isPrecision ? ManifoldScores.precisionNeighbours : ManifoldScores.densityNeighbours
    let scores =
      isPrecision
      ? [("precision", result.precision, intervals?.precision), ("recall", result.recall, intervals?.recall)]
      : [("density", result.density, intervals?.density), ("coverage", result.coverage, intervals?.coverage)]
    for (name, score, interval) in scores {
      add("\(name.capitalized) \(on), k = \(k)", score, bounds: interval?.bounds)
    }
    let figures = scores.map { _, score, interval in
      fixed(score, 6) + (Self.text(interval, digits: 6).map { " (\($0))" } ?? "")
    }
    lines.append(
      "\(isPrecision ? "Precision and recall" : "Density and coverage") \(on), k = \(k): "
        + figures.joined(separator: " and "))
    metrics.append(
      .init(
        "\(scores[0].0)_\(scores[1].0)",
        .map(
          scores.map { .init($0.0, .number($0.1)) } + [.init("k", .integer(k))]
            + scores.flatMap { Self.entries($0.2, prefix: $0.0 + "_") })))
    warn(result.warnings)
  }

  mutating func add(_ result: ClassifierScore) {
    add(
      ClassifierScore.title(extractor), result.mean, deviation: result.splits == 1 ? nil : result.deviation,
      bounds: result.interval)
    let scatter =
      result.splits == 1
      ? " (1 split)"
      : " ± \(fixed(result.deviation, 6)) (\(result.splits) splits"
        + (result.interval.map { "; \(Self.text($0, digits: 6))" } ?? "") + ")"
    lines.append("\(ClassifierScore.title(extractor)): \(fixed(result.mean, 6))\(scatter)")
    metrics.append(
      .init(
        "classifier_score",
        .map(
          [
            .init("mean", .number(result.mean)), .init("deviation", .number(result.deviation)),
            .init("splits", .integer(result.splits)),
          ] + Self.entries(result.interval, coversReference: false))))
    warn(result.warnings)
  }

  private mutating func add(
    _ title: String, _ value: Double, deviation: Double? = nil, bounds: ClosedRange<Double>?
  ) {
    scores.append(
      .init(
        title: title, value: value, deviation: deviation, low: bounds?.lowerBound, high: bounds?.upperBound))
  }

  /// A set as results carry it.
  static func side(_ set: ScoredSet) -> ConfigurationValue {
    ["path": .string(set.path), "images": set.statistics.count.map { .integer($0) } ?? .null]
  }

  var value: ConfigurationValue {
    [
      "schema": 1,
      "extractor": extractor.map {
        ["name": .string($0.name), "mode": .string($0.mode), "digest": .string($0.digest)]
      } ?? .null,
      "generated": Self.side(a), "reference": Self.side(b), "seed": .string(String(seed)), "metrics": .map(metrics),
      "warnings": .list(warnings.map { .string($0) }),
    ]
  }
}

/// Each text once, in the order of first appearance.
package func distinct(_ texts: [String]) -> [String] {
  texts.indices.filter { !texts[..<$0].contains(texts[$0]) }.map { texts[$0] }
}
