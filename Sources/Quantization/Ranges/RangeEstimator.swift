/// How the range of a set of values is chosen. Raw values are the recipes' names.
package enum RangeEstimator: String, Sendable, CaseIterable {
  /// The extremes themselves.
  case minMax = "min_max"
  /// TFMQ-DM's search (Huang et al. 2024, released code): both ends shrunk together by 0, 1, … 79 %, least mean
  /// |x^ - x|^2.4 over the values, the first of equals.
  case l24Shrinks = "l24_80"
  /// PTQ4DM's search (Shang et al. 2023, released code): thresholds of 1, 2, … 100 % of the largest magnitude, same
  /// score. Symmetric only.
  case l24Thresholds = "l24_100"

  /// Whether the choice looks at all values or at their extremes alone.
  package var searches: Bool { self != .minMax }

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
      let candidates = (0..<80).map { shrink in
        let factor = 1 - 0.01 * Double(shrink)
        return ValueRange(lower: extremes.lower * factor, upper: extremes.upper * factor)
      }
      return points.best(of: candidates, rule: rule)
    case .l24Thresholds:
      // One-sided values keep their side: the code of zero then stands at the end of the grid.
      let candidates = (1...100).map { step in
        let threshold = extremes.magnitude * Double(step) / 100
        return ValueRange(
          lower: extremes.lower >= 0 ? 0 : -threshold, upper: extremes.upper <= 0 ? 0 : threshold)
      }
      return points.best(of: candidates, rule: rule)
    }
  }
}
