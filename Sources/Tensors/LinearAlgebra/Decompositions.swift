import COpenBLAS

/// Eigenvalues in ascending order with their orthonormal eigenvectors.
package struct SymmetricEigen: Sendable {
  package let values: [Double]
  /// Row k is the eigenvector of `values[k]`; the matrix is the transpose of the usual V in A = V D V^T.
  package let vectors: DoubleMatrix
}

extension DoubleMatrix {
  /// A = V D V^T of a symmetric matrix, by divide and conquer (LAPACK dsyevd). Only the upper triangle is read.
  /// - Precondition: square.
  /// - Throws: `LinearAlgebraError` for non-finite values, more than 16,384 rows, or no convergence.
  package func symmetricEigen() throws(LinearAlgebraError) -> SymmetricEigen {
    precondition(isSquare)
    let routine = "symmetric eigendecomposition"
    try OpenBLAS.prepare(self, routine)
    if rows == 0 { return SymmetricEigen(values: [], vectors: self) }
    var (n, info) = (Int32(rows), Int32(0))
    // Column-major "L" is row-major upper. Eigenvectors come back as columns, which row-major reads as rows.
    var vectors = values
    var eigenvalues = [Double](repeating: 0, count: rows)
    var (workCount, integerWorkCount) = (Int32(1 + 6 * rows + 2 * rows * rows), Int32(3 + 5 * rows))
    var work = [Double](repeating: 0, count: Int(workCount))
    var integerWork = [Int32](repeating: 0, count: Int(integerWorkCount))
    dsyevd_("V", "L", &n, &vectors, &n, &eigenvalues, &work, &workCount, &integerWork, &integerWorkCount, &info)
    guard info == 0 else { throw .notConverged(routine: routine, info: Int(info)) }
    return SymmetricEigen(values: eigenvalues, vectors: DoubleMatrix(rows: rows, columns: rows, vectors))
  }

  /// L of A = L L^T, lower triangular with a positive diagonal (LAPACK dpotrf). Only the lower triangle is read.
  /// - Precondition: square.
  /// - Throws: `LinearAlgebraError` for non-finite values, more than 16,384 rows, or a matrix that is not positive definite.
  package func choleskyFactor() throws(LinearAlgebraError) -> DoubleMatrix {
    var factor = self
    try factor.replaceByCholeskyFactor()
    return factor
  }

  /// `choleskyFactor` in the matrix's own memory; what is left there after an error is neither.
  package mutating func replaceByCholeskyFactor() throws(LinearAlgebraError) {
    precondition(isSquare)
    let routine = "Cholesky factorisation"
    try OpenBLAS.prepare(self, routine)
    if rows == 0 { return }
    var (n, info) = (Int32(rows), Int32(0))
    // Column-major "U" with A = U^T U is row-major lower, L = U^T.
    dpotrf_("U", &n, &values, &n, &info)
    guard info == 0 else { throw .notPositiveDefinite(routine: routine, order: Int(info)) }
    for i in 0..<rows { for j in (i + 1)..<rows { self[i, j] = 0 } }
  }

  /// Singular values in descending order (LAPACK dgesdd, values only).
  /// - Throws: `LinearAlgebraError` for non-finite values, more than 16,384 rows or columns, or no convergence.
  package func singularValues() throws(LinearAlgebraError) -> [Double] {
    let routine = "singular value decomposition"
    try OpenBLAS.prepare(self, routine)
    let count = min(rows, columns)
    if count == 0 { return [] }
    // Row-major A is column-major A^T, which has the same singular values.
    var (m, n, one, info) = (Int32(columns), Int32(rows), Int32(1), Int32(0))
    var copy = values
    var singular = [Double](repeating: 0, count: count)
    var integerWork = [Int32](repeating: 0, count: 8 * count)
    var (unusedU, unusedV) = (0.0, 0.0)
    var (workCount, optimum) = (Int32(-1), 0.0)
    dgesdd_(
      "N", &m, &n, &copy, &m, &singular, &unusedU, &one, &unusedV, &one, &optimum, &workCount, &integerWork, &info)
    workCount = Int32(optimum)
    var work = [Double](repeating: 0, count: max(Int(workCount), 1))
    dgesdd_(
      "N", &m, &n, &copy, &m, &singular, &unusedU, &one, &unusedV, &one, &work, &workCount, &integerWork, &info)
    guard info == 0 else { throw .notConverged(routine: routine, info: Int(info)) }
    return singular
  }

  /// A B, or A B^T (BLAS dgemm). - Precondition: the inner dimensions agree.
  /// - Throws: `LinearAlgebraError` for non-finite values or more than 16,384 rows or columns.
  package func multiplied(
    by other: DoubleMatrix, transposed: Bool = false
  ) throws(LinearAlgebraError) -> DoubleMatrix {
    let (inner, width) = transposed ? (other.columns, other.rows) : (other.rows, other.columns)
    precondition(columns == inner, "\(rows)x\(columns) times \(inner)x\(width)")
    try OpenBLAS.prepare(self, "matrix product")
    try OpenBLAS.prepare(other, "matrix product")
    var out = DoubleMatrix(rows: rows, columns: width)
    if rows == 0 || width == 0 || inner == 0 { return out }
    cblas_dgemm(
      CblasRowMajor, CblasNoTrans, transposed ? CblasTrans : CblasNoTrans, blasint(rows), blasint(width),
      blasint(inner), 1, values, blasint(columns), other.values, blasint(other.columns), 0, &out.values,
      blasint(width))
    return out
  }
}
