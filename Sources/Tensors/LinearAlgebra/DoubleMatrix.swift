/// A dense matrix of Doubles, row-major: covariances, Hessians and their factors. Tensors stay Float32; statistics do not.
package struct DoubleMatrix: Sendable, Equatable {
  package let rows: Int
  package let columns: Int
  package var values: [Double]

  /// - Precondition: `values.count` is `rows * columns`.
  package init(rows: Int, columns: Int, _ values: [Double]) {
    precondition(
      rows >= 0 && columns >= 0 && values.count == rows * columns, "\(rows)x\(columns), \(values.count) values")
    self.rows = rows
    self.columns = columns
    self.values = values
  }

  package init(rows: Int, columns: Int, repeating value: Double = 0) {
    self.init(rows: rows, columns: columns, [Double](repeating: value, count: rows * columns))
  }

  /// A square matrix with the given diagonal and zeros elsewhere.
  package init(diagonal: [Double]) {
    self.init(rows: diagonal.count, columns: diagonal.count)
    for (i, value) in diagonal.enumerated() { self[i, i] = value }
  }

  @inline(__always) package subscript(row: Int, column: Int) -> Double {
    get { values[row * columns + column] }
    set { values[row * columns + column] = newValue }
  }

  /// A copy of some neighbouring rows and columns.
  package func part(rows: Range<Int>, columns: Range<Int>) -> DoubleMatrix {
    var out: [Double] = []
    out.reserveCapacity(rows.count * columns.count)
    for row in rows {
      out += values[(row * self.columns + columns.lowerBound)..<(row * self.columns + columns.upperBound)]
    }
    return DoubleMatrix(rows: rows.count, columns: columns.count, out)
  }

  package var isSquare: Bool { rows == columns }

  /// Sum of the diagonal, first to last. - Precondition: square.
  package var trace: Double {
    precondition(isSquare)
    return (0..<rows).reduce(0) { $0 + self[$1, $1] }
  }

  /// The largest absolute value; 0 for an empty matrix.
  package var largestMagnitude: Double { values.reduce(0) { max($0, abs($1)) } }

  package var transposed: DoubleMatrix {
    var out = DoubleMatrix(rows: columns, columns: rows)
    for i in 0..<rows { for j in 0..<columns { out[j, i] = self[i, j] } }
    return out
  }
}
