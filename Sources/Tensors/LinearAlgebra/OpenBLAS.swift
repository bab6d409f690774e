import CLinearAlgebra
import COpenBLAS

/// BLAS and LAPACK serve statistics and weight solvers only. Sampling, classifiers and features never call them: the
/// library picks other kernels for other row counts, and results must not depend on the batch (docs/architecture.md).
package enum OpenBLAS {
  /// One thread, set before the first call: a second pool of threads next to ours would fight for the cores, and the
  /// summation order would depend on its size.
  private static let singleThreaded: Void = openblas_set_num_threads(1)

  /// LAPACK counts in 32 bits; the largest workspace here is 1 + 6 n + 2 n^2 doubles (dsyevd).
  static let largestOrder = 16_384

  /// What the library asks for on its first call in a thread. It asks again for ever where the system refuses.
  private static let bufferBytes = 160 << 20

  /// What the library says of itself: its version and the processor whose kernels it chose.
  package static var version: String {
    let configuration = String(cString: openblas_get_config()).split(separator: " ").prefix(2).joined(separator: " ")
    return "\(configuration), kernels of \(kernels)" + (replacedKernels.map { " in place of \($0)" } ?? "")
  }

  /// The kernels that the library computes with: its name of the processor they are for.
  package static var kernels: String { String(cString: openblas_get_corename()) }

  /// The kernels that the library took because it does not know this processor, before better ones took their place; nil where
  /// its own choice stands, or that of OPENBLAS_CORETYPE.
  package static var replacedKernels: String? { ht_blas_replaced().map { String(cString: $0) } }

  /// The kernels that this processor could run instead of ones that use much less of it; nil where the library's are as good.
  package static var betterKernels: String? { ht_blas_better_here(kernels).map { String(cString: $0) } }

  /// Makes the library ready.
  static func prepare() { _ = singleThreaded }

  /// Refuses work on threads whose buffers this process may not have. - Parameter threads: that call at the same time.
  package static func requireMemory(threads: Int) throws(MemoryError) {
    if MemoryBudget.isConfined {
      try MemoryBudget.require(
        MemoryBudget.product(bufferBytes, threads), for: "linear algebra on \(threads) threads")
    }
  }

  /// Makes the library ready and refuses what LAPACK would loop on, overrun or return as nonsense.
  /// - Throws: `LinearAlgebraError.tooLarge`, `.notFinite`.
  static func prepare(_ matrix: DoubleMatrix, _ routine: String) throws(LinearAlgebraError) {
    prepare()
    guard max(matrix.rows, matrix.columns) <= largestOrder else {
      throw .tooLarge(routine: routine, rows: matrix.rows, columns: matrix.columns, limit: largestOrder)
    }
    if let bad = matrix.values.firstIndex(where: { !$0.isFinite }) {
      throw .notFinite(
        routine: routine, row: bad / matrix.columns, column: bad % matrix.columns, value: matrix.values[bad])
    }
  }
}

/// A matrix that a decomposition cannot take, or did not converge on.
package enum LinearAlgebraError: HalftoneError, Equatable {
  case tooLarge(routine: String, rows: Int, columns: Int, limit: Int)
  case notFinite(routine: String, row: Int, column: Int, value: Double)
  case notConverged(routine: String, info: Int)
  case notPositiveDefinite(routine: String, order: Int)

  package var id: String {
    switch self {
    case .tooLarge: "E-MATRIX-SIZE"
    case .notFinite: "E-MATRIX-NONFINITE"
    case .notConverged: "E-MATRIX-CONVERGENCE"
    case .notPositiveDefinite: "E-MATRIX-DEFINITE"
    }
  }

  package var exit: ExitStatus { .refusedInput }

  package var message: String {
    switch self {
    case .tooLarge(let routine, let rows, let columns, let limit):
      "\(routine): a matrix of \(rows)x\(columns) exceeds the limit of \(limit) rows or columns"
    case .notFinite(let routine, let row, let column, let value):
      "\(routine): the matrix holds \(value) at row \(row), column \(column)"
    case .notConverged(let routine, let info):
      "\(routine): LAPACK did not converge (info \(info))"
    case .notPositiveDefinite(let routine, let order):
      "\(routine): the leading \(order)x\(order) part of the matrix is not positive definite"
    }
  }
}
