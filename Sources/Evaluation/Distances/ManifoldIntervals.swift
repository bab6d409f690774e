import Tensors

extension ManifoldScores {
  /// Intervals of the four scores, for sets of as many images.
  package struct Intervals: Sendable, Equatable {
    package let precision: ScoreInterval
    package let recall: ScoreInterval
    package let density: ScoreInterval
    package let coverage: ScoreInterval
  }

  /// Twenty times the work of the scores themselves, with nine tenths of one set each.
  /// - Throws: as `compute`, and `EvaluationError` for fewer than 20 images in a set.
  package func intervals(
    generated: FeatureSet, reference: FeatureSet, seed: UInt64, pool: WorkerPool
  ) throws(EvaluationError) -> Intervals {
    try generated.requireGroups(of: "an interval")
    try reference.requireGroups(of: "an interval")
    var withoutGenerated: [ManifoldScores] = []
    for part in GroupJackknife.withoutGroups(generated.count, seed: seed, .generatedGroups) {
      withoutGenerated.append(
        try Self.compute(generated: generated.subset(part), reference: reference, pool: pool))
    }
    var withoutReference: [ManifoldScores] = []
    for part in GroupJackknife.withoutGroups(reference.count, seed: seed, .referenceGroups) {
      withoutReference.append(
        try Self.compute(generated: generated, reference: reference.subset(part), pool: pool))
    }
    func interval(_ score: (ManifoldScores) -> Double, upTo limit: Double) -> ScoreInterval {
      let errors = [withoutGenerated, withoutReference].map { GroupJackknife.squaredError($0.map(score)) }
      let bounds = GroupJackknife.interval(score(self), squaredErrors: errors)
      return ScoreInterval(bounds: bounds, coversReference: true).clamped(to: 0...limit)
    }
    return Intervals(
      precision: interval(\.precision, upTo: 1), recall: interval(\.recall, upTo: 1),
      density: interval(\.density, upTo: .greatestFiniteMagnitude), coverage: interval(\.coverage, upTo: 1))
  }
}
