import Evaluation
import Formats
import Tensors

/// `fid`: the Fréchet distance between two sets of images or their statistics. It is FID only on Inception features, so
/// the result is always called by its extractor.
package struct FrechetCommand: Sendable {
  package var first: String
  package var second: String
  package var options: ScoringOptions
  package var json: Bool
  package var threads: Int
  package var batch: Int

  package init(first: String, second: String, options: ScoringOptions, json: Bool, threads: Int, batch: Int) {
    self.first = first
    self.second = second
    self.options = options
    self.json = json
    self.threads = threads
    self.batch = batch
  }

  package func run(_ session: Session) throws {
    let compute = try Compute(threads: threads, batch: batch)
    try OpenBLAS.requireMemory(threads: compute.pool.threads)
    let scoring = try FeatureScoring(options, session: session, compute: compute)
    let a = try scoring.scored(first, session: session)
    let b = try scoring.scored(second, session: session)
    let result = try FrechetDistance.compute(
      a.statistics, b.statistics, names: (first, second), pool: compute.pool)
    let warnings = distinct(a.warnings + b.warnings + result.warnings)
    for warning in warnings { session.console.warn("\(warning)") }
    if json { return try session.console.result(json: value(result, a, b, warnings)) }
    try session.console.result(
      "\(result.title): \(fixed(result.distance, 6))\n\(featureLine(a.statistics, b.statistics))")
  }

  private func value(
    _ result: FrechetDistance, _ a: ScoredSet, _ b: ScoredSet, _ warnings: [String]
  ) -> ConfigurationValue {
    let identity = a.statistics.extractor ?? b.statistics.extractor
    return [
      "metric": .string(result.title), "distance": .number(result.distance), "mean_term": .number(result.meanTerm),
      "trace_term": .number(result.traceTerm), "residual": .number(result.residual),
      "extractor": identity.map {
        ["name": .string($0.name), "mode": .string($0.mode), "digest": .string($0.digest)]
      } ?? .null,
      "first": ScoreReport.side(a), "second": ScoreReport.side(b), "warnings": .list(warnings.map { .string($0) }),
    ]
  }
}

/// What every score must be read with: extractor, preparation of pixels, weights, and numbers of images.
func featureLine(_ a: FeatureStatistics, _ b: FeatureStatistics) -> String {
  let counts = [a.count, b.count].map { $0.map { "\($0)" } ?? "an unknown number" }
  let features =
    switch (a.extractor, b.extractor) {
    case (let known?, nil): "\(known) of the first, unknown of the second"
    case (nil, let known?): "\(known) of the second, unknown of the first"
    case (let known, _): known.map { "\($0)" } ?? "of an unknown extractor"
    }
  return "features: \(features); N: \(counts[0]) and \(counts[1])"
}
