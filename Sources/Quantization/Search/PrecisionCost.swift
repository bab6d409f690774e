import Graphs

/// What a layer costs at each width of its operands.
package struct PrecisionCost: Sendable {
  package let budget: Recipe.Budget
  package let weightCount: Int
  package let rows: Int
  package let multiplyAccumulates: Int

  /// How much longer a multiply-accumulate takes in float than in integers, on processors with integer dot products
  /// (docs/performance.md).
  package static let floatTime = 3.0
  /// Bytes of a row's scale and zero point.
  private static let rowBytes = 6

  package init(budget: Recipe.Budget, weightCount: Int, rows: Int, multiplyAccumulates: Int) {
    self.budget = budget
    self.weightCount = weightCount
    self.rows = rows
    self.multiplyAccumulates = multiplyAccumulates
  }

  /// - Parameters: weight, activation: bits; 32 is float.
  package func cost(weight: Int, activation: Int) -> Double {
    let isFloat = weight > 8 || activation > 8
    switch budget {
    case .bytes:
      if weight > 8 { return Double(4 * weightCount) }
      let row = CodePacking.bytesPerRow(weightCount / max(rows, 1), bits: weight)
      return Double(rows * (row + Self.rowBytes))
    case .bitOperations: return Double(multiplyAccumulates) * Double(weight) * Double(activation)
    case .time: return Double(multiplyAccumulates) * (isFloat ? Self.floatTime : 1)
    }
  }

  package var float: Double {
    cost(weight: Recipe.MixedPrecision.float, activation: Recipe.MixedPrecision.float)
  }
}
