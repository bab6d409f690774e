import Tensors

/// The interval of a score for the choice of its images, from what it is without each of ten random groups of them
/// (delete-a-group jackknife; Efron & Stein 1981 for its error, which is not below the true one on average). A bias that
/// depends only on the number of images cancels, because all ten estimates have as many.
package enum GroupJackknife {
  package static let groupCount = 10
  /// Student's t: 97.5 % of 9 degrees of freedom.
  static let studentsT = 2.262157162740992

  /// Group g of a random order: every tenth image from the g-th on.
  static func groups(_ count: Int, seed: UInt64, _ purpose: ScoreRandom.Purpose) -> [[Int]] {
    let order = ScoreRandom.choice(count, of: count, seed: seed, purpose, 0)
    return (0..<groupCount).map { group in stride(from: group, to: count, by: groupCount).map { order[$0] } }
  }

  /// For each group: all positions but the group's, in the random order.
  static func withoutGroups(_ count: Int, seed: UInt64, _ purpose: ScoreRandom.Purpose) -> [[Int]] {
    let order = ScoreRandom.choice(count, of: count, seed: seed, purpose, 0)
    return (0..<groupCount).map { group in
      order.indices.filter { $0 % groupCount != group }.map { order[$0] }
    }
  }

  /// Square of the standard error, from estimates that each leave one group out.
  static func squaredError(_ estimates: [Double]) -> Double {
    let count = Double(estimates.count)
    let mean = estimates.reduce(0, +) / count
    return estimates.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } * (count - 1) / count
  }

  /// 95 % around `centre`, of independent errors.
  static func interval(_ centre: Double, squaredErrors: [Double]) -> ClosedRange<Double> {
    let margin = studentsT * squaredErrors.reduce(0, +).squareRoot()
    return centre - margin...centre + margin
  }
}

/// 95 % of a score for sets of this size.
package struct ScoreInterval: Sendable, Equatable {
  package let bounds: ClosedRange<Double>
  /// Whether it covers the choice of reference images too: those of a statistics file are not known one by one.
  package let coversReference: Bool

  package init(bounds: ClosedRange<Double>, coversReference: Bool) {
    self.bounds = bounds
    self.coversReference = coversReference
  }

  /// The same with bounds that the score cannot leave.
  func clamped(to limits: ClosedRange<Double>) -> ScoreInterval {
    ScoreInterval(bounds: bounds.clamped(to: limits), coversReference: coversReference)
  }
}
