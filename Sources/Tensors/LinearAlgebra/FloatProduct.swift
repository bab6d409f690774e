import COpenBLAS

/// A row-major Float matrix in memory that somebody else keeps, possibly read as its transpose.
package struct FloatMatrix {
  let base: UnsafePointer<Float>
  let stride: Int
  let isTransposed: Bool

  /// - Parameters: stride: elements from one stored row to the next; transposed: whether the product reads columns as rows.
  package init(_ base: UnsafePointer<Float>, stride: Int, transposed: Bool = false) {
    self.base = base
    self.stride = stride
    self.isTransposed = transposed
  }
}

/// c = scale a b, or c += scale a b (BLAS sgemm, one thread): the products of gradients. The bits depend on the shapes
/// alone, so callers split work in a way that does not depend on the number of threads.
///
/// - Parameters: a: rows x inner; b: inner x columns; c: rows x columns, `stride` elements from row to row.
package func multiply(
  _ a: FloatMatrix, _ b: FloatMatrix, rows: Int, columns: Int, inner: Int, scale: Float = 1, accumulate: Bool,
  into c: UnsafeMutablePointer<Float>, stride: Int
) {
  if rows == 0 || columns == 0 || inner == 0 { return }
  OpenBLAS.prepare()
  cblas_sgemm(
    CblasRowMajor, a.isTransposed ? CblasTrans : CblasNoTrans, b.isTransposed ? CblasTrans : CblasNoTrans,
    blasint(rows), blasint(columns), blasint(inner), scale, a.base, blasint(a.stride), b.base, blasint(b.stride),
    accumulate ? 1 : 0, c, blasint(stride))
}
