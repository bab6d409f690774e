/// How the range of a set of values is chosen. Raw values are the recipes' names; a number is that of the candidates.
package enum RangeEstimator: String, Sendable, CaseIterable {
  /// The extremes themselves.
  case minMax = "min_max"
  /// TFMQ-DM's search (Huang et al. 2024, released code): both ends shrunk together by 0, 1, … 79 %, least mean
  /// |x^ - x|^2.4 over the values, the first of equals.
  case l24Shrinks = "l24_80"
  /// PTQ4DM's search (Shang et al. 2023, released code): thresholds of 1, 2, … 100 % of the largest magnitude, same
  /// score. Symmetric only.
  case l24Thresholds = "l24_100"
  /// The shrinks, least mean |x^ - x| (the same paper, table 4).
  case l1Shrinks = "l1_80"
  /// The shrinks, least mean |x^ - x|^2 and |x^ - x|^4.
  case l2Shrinks = "l2_80"
  case l4Shrinks = "l4_80"
  /// The shrinks, least angle between x^ and x (the same table).
  case cosineShrinks = "cosine_80"
  /// Both ends, zero between them, clipped to 100, 99, … 51 % of themselves, least Kullback-Leibler divergence of the quantised histogram from
  /// the clipped one (Migacz 2017, "8-bit inference with TensorRT"; the ratios of TFMQ-DM's released code).
  case divergence = "kl_50"
  /// Magnitudes beyond the 99.96th percentile clipped (TFMQ-DM's released code, its `hist`). Differs: of all values; the
  /// code looks at the positive ones alone.
  case percentile = "percentile"

  /// Whether the choice looks at all values or at their extremes alone.
  package var searches: Bool { self != .minMax }

  /// Share of the values that `percentile` keeps inside.
  static let keptShare = 0.9996

  /// - Parameters:
  ///   - points: the values, or groups of nearby values with their weights; not empty.
  ///   - extremes: smallest and largest value.
  ///   - rule: how a candidate becomes a grid.
  /// - Returns: the range whose grid has the least score.
  package func range(of points: WeightedPoints, extremes: ValueRange, rule: GridRule) -> ValueRange {
    switch self {
    case .minMax:
      return extremes
    case .l24Shrinks:
      return points.best(of: Self.shrinks(of: extremes), rule: rule)
    case .l24Thresholds:
      // One-sided values keep their side: the code of zero then stands at the end of the grid.
      let candidates = (1...100).map { step in
        let threshold = extremes.magnitude * Double(step) / 100
        return ValueRange(
          lower: extremes.lower >= 0 ? 0 : -threshold, upper: extremes.upper <= 0 ? 0 : threshold)
      }
      return points.best(of: candidates, rule: rule)
    case .l1Shrinks:
      return Self.first(of: Self.shrinks(of: extremes)) { points.error(rule.grid($0)) { abs($0) } }
    case .l2Shrinks:
      return Self.first(of: Self.shrinks(of: extremes)) { points.error(rule.grid($0)) { $0 * $0 } }
    case .l4Shrinks:
      return Self.first(of: Self.shrinks(of: extremes)) { points.error(rule.grid($0)) { ($0 * $0) * ($0 * $0) } }
    case .cosineShrinks:
      return Self.first(of: Self.shrinks(of: extremes)) { points.angle(rule.grid($0)) }
    case .divergence:
      let whole = extremes.union(ValueRange(lower: 0, upper: 0))
      let histogram = ValueHistogram(points, extremes: whole)
      let candidates = (0..<50).map { whole.scaled(by: 1 - 0.01 * Double($0)) }
      return Self.first(of: candidates) { histogram.divergence(clippedTo: $0, levels: rule.largest + 1) }
    case .percentile:
      let threshold = points.magnitude(below: Self.keptShare)
      return ValueRange(lower: max(extremes.lower, -threshold), upper: min(extremes.upper, threshold))
    }
  }

  private static func shrinks(of extremes: ValueRange) -> [ValueRange] {
    (0..<80).map { extremes.scaled(by: 1 - 0.01 * Double($0)) }
  }

  /// The candidate of least score; the first of equals.
  private static func first(of candidates: [ValueRange], score: (ValueRange) -> Double) -> ValueRange {
    var (best, least) = (candidates[0], Double.infinity)
    for candidate in candidates {
      let value = score(candidate)
      if value < least { (best, least) = (candidate, value) }
    }
    return best
  }
}
