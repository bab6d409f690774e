import Tensors
import Testing

@Suite struct LinearAlgebraTests {
  /// A fixed full matrix without structure, entries in (-1, 1).
  private func sample(_ rows: Int, _ columns: Int) -> DoubleMatrix {
    var state: UInt64 = 1
    let values = (0..<rows * columns).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(Int64(bitPattern: state)) * 0x1p-63
    }
    return DoubleMatrix(rows: rows, columns: columns, values)
  }

  private func naiveProduct(_ a: DoubleMatrix, _ b: DoubleMatrix) -> DoubleMatrix {
    var out = DoubleMatrix(rows: a.rows, columns: b.columns)
    for i in 0..<a.rows {
      for j in 0..<b.columns { out[i, j] = (0..<a.columns).reduce(0) { $0 + a[i, $1] * b[$1, j] } }
    }
    return out
  }

  /// Inner products of length k of entries below 1: rounding is at most k^2 * 2^-53 whatever the order of summation.
  @Test func productsEqualNaiveOnes() throws {
    let (a, b) = (sample(5, 7), sample(7, 3))
    let expected = naiveProduct(a, b)
    for product in [try a.multiplied(by: b), try a.multiplied(by: b.transposed, transposed: true)] {
      #expect(product.rows == 5 && product.columns == 3)
      #expect(zip(product.values, expected.values).allSatisfy { abs($0 - $1) <= 49 * 0x1p-53 })
    }
  }

  @Test func eigenvectorsReconstructTheMatrix() throws {
    let a = sample(9, 9)
    let symmetric = try a.multiplied(by: a, transposed: true)
    let eigen = try symmetric.symmetricEigen()
    #expect(eigen.values == eigen.values.sorted())
    let scaled = DoubleMatrix(diagonal: eigen.values)
    let rebuilt = try eigen.vectors.transposed.multiplied(by: scaled).multiplied(by: eigen.vectors)
    // Backward stable: within a modest multiple of n * epsilon * norm.
    let tolerance = 81 * 0x1p-52 * eigen.values[8]
    #expect(zip(rebuilt.values, symmetric.values).allSatisfy { abs($0 - $1) <= tolerance })
    let identity = try eigen.vectors.multiplied(by: eigen.vectors, transposed: true)
    #expect(
      zip(identity.values, DoubleMatrix(diagonal: .init(repeating: 1, count: 9)).values).allSatisfy {
        abs($0 - $1) < 1e-14
      })
  }

  /// [[2, 1], [1, 2]] has eigenvalues 1 and 3 along (1, -1) and (1, 1).
  @Test func eigenvaluesOfAKnownMatrix() throws {
    let eigen = try DoubleMatrix(rows: 2, columns: 2, [2, 1, 1, 2]).symmetricEigen()
    #expect(abs(eigen.values[0] - 1) < 1e-15 && abs(eigen.values[1] - 3) < 1e-15)
    #expect(abs(eigen.vectors[0, 0] + eigen.vectors[0, 1]) < 1e-15)
    #expect(abs(eigen.vectors[1, 0] - eigen.vectors[1, 1]) < 1e-15)
  }

  /// Squares of the singular values of A are the eigenvalues of A A^T, for wide and tall A.
  @Test(arguments: [(3, 8), (8, 3), (4, 4), (1, 6)])
  func singularValuesAreRootsOfEigenvalues(rows: Int, columns: Int) throws {
    let a = sample(rows, columns)
    let singular = try a.singularValues()
    #expect(singular.count == min(rows, columns))
    let gram = rows < columns ? a : a.transposed
    let eigenvalues = try gram.multiplied(by: gram, transposed: true).symmetricEigen().values.reversed()
    #expect(zip(singular, eigenvalues).allSatisfy { abs($0 * $0 - $1) < 1e-13 })
  }

  @Test func emptyMatricesHaveEmptyDecompositions() throws {
    let empty = DoubleMatrix(rows: 0, columns: 0)
    #expect(try empty.symmetricEigen().values == [])
    #expect(try DoubleMatrix(rows: 0, columns: 4).singularValues() == [])
    #expect(
      try DoubleMatrix(rows: 2, columns: 0).multiplied(by: DoubleMatrix(rows: 0, columns: 2)).values == [0, 0, 0, 0])
  }

  @Test func nonFiniteValuesAreNamed() {
    var matrix = DoubleMatrix(rows: 2, columns: 2)
    matrix[1, 0] = .nan
    let error = #expect(throws: LinearAlgebraError.self) { try matrix.symmetricEigen() }
    #expect(
      error?.description
        == "error[E-MATRIX-NONFINITE]: symmetric eigendecomposition: the matrix holds nan at row 1, column 0")
    matrix[1, 0] = -.infinity
    #expect(throws: LinearAlgebraError.self) { try matrix.singularValues() }
    #expect(throws: LinearAlgebraError.self) { try matrix.multiplied(by: matrix) }
  }

  @Test func sizesBeyondLapackAreRefused() {
    let wide = DoubleMatrix(rows: 1, columns: 16_385)
    let error = #expect(throws: LinearAlgebraError.self) { try wide.singularValues() }
    #expect(
      error?.description
        == "error[E-MATRIX-SIZE]: singular value decomposition: a matrix of 1x16385 exceeds the limit of 16384 rows or columns"
    )
  }
}

@Suite struct CholeskyTests {
  /// L = [[2, 0, 0], [1, 3, 0], [-1, 2, 1]].
  @Test func factorOfAKnownMatrix() throws {
    let matrix = DoubleMatrix(rows: 3, columns: 3, [4, 2, -2, 2, 10, 5, -2, 5, 6])
    #expect(try matrix.choleskyFactor() == DoubleMatrix(rows: 3, columns: 3, [2, 0, 0, 1, 3, 0, -1, 2, 1]))
  }

  @Test func indefiniteMatricesAreRefused() {
    let matrix = DoubleMatrix(rows: 2, columns: 2, [1, 2, 2, 1])
    #expect(
      throws: LinearAlgebraError.notPositiveDefinite(routine: "Cholesky factorisation", order: 2)
    ) { try matrix.choleskyFactor() }
    #expect(
      LinearAlgebraError.notPositiveDefinite(routine: "Cholesky factorisation", order: 2).message
        == "Cholesky factorisation: the leading 2x2 part of the matrix is not positive definite")
  }
}

@Suite struct GramAccumulatorTests {
  /// Small whole numbers: every sum is exact, whatever its order.
  private func vectors(_ count: Int, width: Int) -> [[Float]] {
    (0..<count).map { j in (0..<width).map { i in Float((j * 7 + i * 5) % 11 - 5) } }
  }

  private func sums(_ vectors: [[Float]], calls: [Int], capacity: Int, gram: Bool = true) -> GramAccumulator {
    let width = vectors[0].count
    var sums = GramAccumulator(width: width, capacity: capacity, gram: gram)
    var next = 0
    for call in calls {
      var left = call
      while left > 0 {
        let part = min(left, sums.room)
        sums.add(part) { base, stride in
          for j in 0..<part { for i in 0..<width { base[i * stride + j] = vectors[next + j][i] } }
        }
        next += part
        left -= part
      }
    }
    sums.finish()
    return sums
  }

  @Test func meansOfKnownVectors() {
    let known = vectors(37, width: 6)
    let found = sums(known, calls: [37], capacity: 8)
    #expect(found.count == 37)
    for i in 0..<6 {
      #expect(found.mean[i] == known.reduce(0.0) { $0 + Double($1[i]) } / 37)
      for j in 0..<6 {
        let expected = known.reduce(0.0) { $0 + Double($1[i] * $1[j]) } * (1 / 37.0)
        #expect(found.meanProducts[i, j] == expected)
      }
    }
    #expect(sums(known, calls: [37], capacity: 8, gram: false).mean == found.mean)
  }

  @Test func bitsDoNotDependOnHowCallsDivideTheVectors() {
    let rough = vectors(50, width: 5).map { $0.map { $0 / 7 } }
    let whole = sums(rough, calls: [50], capacity: 16)
    for calls in [[1, 49], [16, 16, 16, 2], [7, 7, 7, 7, 7, 7, 7, 1]] {
      let parts = sums(rough, calls: calls, capacity: 16)
      #expect(parts.meanProducts == whole.meanProducts && parts.mean == whole.mean)
    }
  }

  @Test func nothingAddedIsZero() {
    var empty = GramAccumulator(width: 2, capacity: 4, gram: true)
    empty.finish()
    #expect(empty.mean == [0, 0] && empty.meanProducts.values == [0, 0, 0, 0])
  }
}
