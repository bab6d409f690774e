import Graphs
import Tensors

/// Rounding of a weight's rows column by column, where each column absorbs the output errors of those before it, in the
/// closed form that is optimal for the inputs' second moments H = E[x x^T].
///
/// This is GPTQ (Frantar et al. 2022, "GPTQ: accurate post-training quantization", algorithm 1), which descends from OBC
/// (Frantar, Singh & Alistarh 2022), written in the equal form of Chee et al. 2023 ("QuIP", theorem 6): with
/// H = (F + I) D (F + I)^T, F strictly upper triangular, column k is rounded from w_k + sum over j < k of
/// (w_j - w^_j) F_jk. It needs one Cholesky factor of H and no inverse.
///
/// Everything is Double and of fixed order; columns are taken in blocks so that most of the sum is a matrix product.
package struct ErrorFeedback: Sendable {
  /// `order[k]` is the weight's column that is rounded as the k-th.
  private let order: [Int]
  /// F in the order of rounding; zeros on and below the diagonal.
  private let feedback: DoubleMatrix

  /// Columns whose sums are formed together. Affects speed and, through the order of summation, last bits only.
  private static let blockWidth = 128

  /// - Parameters:
  ///   - moments: H, symmetric, of a row's length. Inputs that were always 0 have no say and round to nearest.
  ///   - damping: share of the mean of H's positive diagonal entries that is added to the diagonal; positive.
  /// - Throws: `LinearAlgebraError` when H holds something not finite or is far from positive semidefinite.
  package init(
    moments: some SecondMoments, damping: Double, order columnOrder: Recipe.ColumnOrder
  ) throws(LinearAlgebraError) {
    let count = moments.order
    let diagonal = (0..<count).map { moments[$0, $0] }
    let live = diagonal.filter { $0 > 0 }
    let mean = live.isEmpty ? 1 : live.reduce(0, +) / Double(live.count)
    let order =
      switch columnOrder {
      case .natural: Array(0..<count)
      case .activity: (0..<count).sorted { (diagonal[$1], $0) < (diagonal[$0], $1) }
      }
    // H = U U^T with U upper triangular is the Cholesky factorisation of H with rows and columns reversed. One matrix becomes the
    // next in its place: they are the largest things in memory here.
    var feedback = DoubleMatrix(rows: count, columns: count)
    for i in 0..<count {
      let row = order[count - 1 - i]
      for j in 0...i { feedback[i, j] = moments[row, order[count - 1 - j]] }
      let own = feedback[i, i]
      feedback[i, i] = (own > 0 ? own : mean) + damping * mean
    }
    try feedback.replaceByCholeskyFactor()
    feedback.values.reverse()
    let scales = (0..<count).map { 1 / feedback[$0, $0] }
    for j in 0..<count {
      feedback[j, j] = 0
      for k in (j + 1)..<count { feedback[j, k] *= scales[k] }
    }
    self.order = order
    self.feedback = feedback
  }

  /// - Parameters: weight: out channels first; quantizer: the grid of each out channel, or of each stretch of its row.
  /// - Returns: codes in the weight's order.
  package func codes(of weight: Tensor, on quantizer: AffineQuantizer) throws(LinearAlgebraError) -> [UInt8] {
    let (rows, columns) = (weight.dims[0], order.count)
    precondition(weight.count == rows * columns && quantizer.scales.count % rows == 0)
    var codes = [UInt8](repeating: 0, count: weight.count)
    var errors = DoubleMatrix(rows: rows, columns: columns)
    for start in stride(from: 0, to: columns, by: Self.blockWidth) {
      let block = start..<min(start + Self.blockWidth, columns)
      let earlier = try errors.part(rows: 0..<rows, columns: 0..<start)
        .multiplied(by: feedback.part(rows: 0..<start, columns: block))
      let own = feedback.part(rows: block, columns: block).transposed
      for row in 0..<rows {
        for k in 0..<block.count {
          var carried = earlier[row, k]
          for j in 0..<k { carried += errors.values[row * columns + start + j] * own.values[k * block.count + j] }
          let position = row * columns + order[start + k]
          let granule = quantizer.granule(ofRow: row, position: order[start + k])
          let (scale, zero) = (quantizer.scales[granule], quantizer.zeroPoints[granule])
          let exact = Double(weight.values[position])
          let code = AffineQuantizer.code(
            Float(exact + carried), inverseScale: 1 / scale, zeroPoint: zero, largest: quantizer.largestCode)
          codes[position] = UInt8(code)
          errors[row, start + k] = exact - Double(scale * Float(code - zero))
        }
      }
    }
    return codes
  }
}
