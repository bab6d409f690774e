import Synchronization
import Tensors

extension FrechetDistance {
  /// An interval of the distance, for sets of as many images: its bias is part of it, and equal for all such sets.
  ///
  /// Ten distances for each set of single images. Memory for each thread: five d x d matrices of Double.
  /// - Parameters:
  ///   - sides: the whole sets' statistics, generated and reference.
  ///   - generated: the features that the first side was computed from.
  ///   - reference: those of the second; nil where only statistics are known.
  /// - Throws: `EvaluationError` for fewer than 20 images in a set, and when the sets cannot be compared.
  package static func interval(
    _ sides: (generated: FrechetSide, reference: FrechetSide), generated: FeatureSet, reference: FeatureSet?,
    seed: UInt64, pool: WorkerPool
  ) throws(EvaluationError) -> ScoreInterval {
    let centre = try compute(sides.generated, sides.reference).distance
    var errors = [try squaredError(generated, .generatedGroups, against: sides.reference, seed: seed, pool: pool)]
    if let reference {
      errors.append(try squaredError(reference, .referenceGroups, against: sides.generated, seed: seed, pool: pool))
    }
    let interval = GroupJackknife.interval(centre, squaredErrors: errors)
    return ScoreInterval(bounds: interval, coversReference: reference != nil)
      .clamped(to: 0...Double.greatestFiniteMagnitude)
  }

  private static func squaredError(
    _ features: FeatureSet, _ purpose: ScoreRandom.Purpose, against other: FrechetSide, seed: UInt64, pool: WorkerPool
  ) throws(EvaluationError) -> Double {
    try features.requireGroups(of: "an interval")
    let parts = GroupJackknife.withoutGroups(features.count, seed: seed, purpose)
    let found = Mutex([Result<Double, EvaluationError>?](repeating: nil, count: parts.count))
    pool.parallel(parts.count) { number in
      let distance = Result { () throws(EvaluationError) in
        let side = try FrechetSide(features.statistics(of: parts[number]), name: "a part of the images")
        return try compute(side, other).distance
      }
      found.withLock { $0[number] = distance }
    }
    var distances: [Double] = []
    for result in found.withLock({ $0 }) {
      if let distance = try result?.get() { distances.append(distance) }
    }
    return GroupJackknife.squaredError(distances)
  }
}

extension FeatureSet {
  /// - Throws: `EvaluationError` where there are fewer than two images a group.
  func requireGroups(of metric: String) throws(EvaluationError) {
    let needed = 2 * GroupJackknife.groupCount
    guard count >= needed else { throw .tooFewForMetric(metric: metric, needed: needed, found: count) }
  }
}
