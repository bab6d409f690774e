import Graphs
import Quantization
import Tensors
import TestSupport
import Testing

@Suite struct ErrorFeedbackTests {
  private func settings(bits: Int = 4, symmetric: Bool = false) -> Recipe.Weights {
    Recipe.Weights(bits: bits, symmetric: symmetric, range: .minMax, rounding: .nearest, biasCorrection: false)
  }

  private func weight(_ rows: Int, _ columns: Int, seed: UInt64 = 3) -> Tensor {
    var random = SplitMix64(seed)
    return Tensor([rows, columns], random.floats(rows * columns))
  }

  /// Second moments of correlated inputs: a slowly varying signal, some noise, magnitudes that differ by input.
  private func moments(_ count: Int, seed: UInt64 = 4) -> DoubleMatrix {
    var random = SplitMix64(seed)
    var sum = DoubleMatrix(rows: count, columns: count)
    for _ in 0..<(2 * count) {
      let noise = random.floats(count + 1)
      let x = (0..<count).map { i in (Double(noise[i]) + Double(noise[i + 1]) + 0.1) * Double(i % 7 + 1) }
      for i in 0..<count { for j in 0..<count { sum[i, j] += x[i] * x[j] / Double(2 * count) } }
    }
    return sum
  }

  /// GPTQ as its paper writes it, row by row and without blocks: the inverse of H, each error spread over the columns left
  /// by that column's part of the inverse, the column then eliminated (Frantar et al. 2022, equations 2 and 3).
  private func naive(
    _ weight: Tensor, _ quantizer: AffineQuantizer, _ moments: DoubleMatrix, damping: Double, order: [Int]
  ) -> [UInt8] {
    let count = moments.rows
    var damped = moments
    let share = damping * moments.trace / Double(count)
    for i in 0..<count { damped[i, i] += share }
    let inverse = inverted(damped)
    var codes = [UInt8](repeating: 0, count: weight.count)
    for row in 0..<weight.dims[0] {
      var w = (0..<count).map { Double(weight.values[row * count + $0]) }
      var left = inverse
      for (position, q) in order.enumerated() {
        let (scale, zero) = (quantizer.scales[row], quantizer.zeroPoints[row])
        let code = AffineQuantizer.code(
          Float(w[q]), inverseScale: 1 / scale, zeroPoint: zero, largest: quantizer.largestCode)
        codes[row * count + q] = UInt8(code)
        let error = (w[q] - Double(scale * Float(code - zero))) / left[q, q]
        for j in order[(position + 1)...] { w[j] -= error * left[q, j] }
        let column = (0..<count).map { left[$0, q] }
        for i in order[(position + 1)...] {
          let factor = column[i] / column[q]
          for j in order[(position + 1)...] { left[i, j] -= factor * column[j] }
        }
      }
    }
    return codes
  }

  /// Gauss-Jordan; fine without pivoting for a positive definite matrix.
  private func inverted(_ matrix: DoubleMatrix) -> DoubleMatrix {
    let n = matrix.rows
    var a = matrix
    var out = DoubleMatrix(diagonal: .init(repeating: 1, count: n))
    for k in 0..<n {
      let pivot = 1 / a[k, k]
      for j in 0..<n {
        a[k, j] *= pivot
        out[k, j] *= pivot
      }
      for i in 0..<n where i != k {
        let factor = a[i, k]
        for j in 0..<n {
          a[i, j] -= factor * a[k, j]
          out[i, j] -= factor * out[k, j]
        }
      }
    }
    return out
  }

  /// Mean squared error of the output: the trace of dW H dW^T.
  private func outputError(_ weight: Tensor, _ codes: [UInt8], _ quantizer: AffineQuantizer, _ h: DoubleMatrix)
    -> Double
  {
    let found = QuantizedWeight(dims: weight.dims, quantizer: quantizer, codes: codes).dequantized.values
    let count = h.rows
    var total = 0.0
    for row in 0..<weight.dims[0] {
      let d = (0..<count).map { Double(weight.values[row * count + $0]) - Double(found[row * count + $0]) }
      for i in 0..<count { for j in 0..<count { total += d[i] * h[i, j] * d[j] } }
    }
    return total
  }

  @Test(
    "uncorrelated inputs of equal size: every weight goes to its nearest code", arguments: Recipe.ColumnOrder.allCases)
  func identity(order: Recipe.ColumnOrder) throws {
    // Wider than a block, and with four dims as convolutions have them.
    let weight = weight(5, 300).reshaped([5, 3, 10, 10])
    for (bits, symmetric) in [(4, false), (8, true)] {
      let nearest = settings(bits: bits, symmetric: symmetric).roundToNearest(weight)
      let feedback = try ErrorFeedback(
        moments: DoubleMatrix(diagonal: .init(repeating: 1, count: 300)), damping: 0.01, order: order)
      #expect(try feedback.codes(of: weight, on: nearest.quantizer) == nearest.codes)
    }
  }

  @Test("the codes of the paper's own formulas, and less error than nearest rounding", arguments: [5, 150])
  func paper(columns: Int) throws {
    let (weight, moments) = (weight(4, columns), moments(columns))
    let nearest = settings().roundToNearest(weight)
    let descending = (0..<columns).sorted { (moments[$1, $1], $0) < (moments[$0, $0], $1) }
    for (order, indices) in [(Recipe.ColumnOrder.natural, Array(0..<columns)), (.activity, descending)] {
      let codes = try ErrorFeedback(moments: moments, damping: 0.01, order: order)
        .codes(of: weight, on: nearest.quantizer)
      #expect(codes == naive(weight, nearest.quantizer, moments, damping: 0.01, order: indices))
      let ratio =
        outputError(weight, codes, nearest.quantizer, moments)
        / outputError(weight, nearest.codes, nearest.quantizer, moments)
      #expect(ratio < 1, "\(ratio)")
    }
  }

  @Test("inputs that were always zero round to nearest and leave the others alone") func dead() throws {
    let (small, dense) = (weight(3, 6), moments(6))
    var wide = Tensor([3, 8])
    var moments = DoubleMatrix(rows: 8, columns: 8)
    let live = [0, 1, 3, 4, 5, 7]
    for (i, from) in live.enumerated() {
      for row in 0..<3 { wide.values[row * 8 + from] = small.values[row * 6 + i] }
      for (j, to) in live.enumerated() { moments[from, to] = dense[i, j] }
    }
    for row in 0..<3 {
      wide.values[row * 8 + 2] = 0.31
      wide.values[row * 8 + 6] = -0.17
    }
    let quantizer = settings().quantizer(for: small)
    for order in Recipe.ColumnOrder.allCases {
      let expected = try ErrorFeedback(moments: dense, damping: 0.01, order: order).codes(of: small, on: quantizer)
      let found = try ErrorFeedback(moments: moments, damping: 0.01, order: order).codes(of: wide, on: quantizer)
      let nearest = quantizer.codes(wide.values, channelStride: 8, channelCount: 3)
      for row in 0..<3 {
        for (i, from) in live.enumerated() { #expect(found[row * 8 + from] == expected[row * 6 + i]) }
        for column in [2, 6] { #expect(found[row * 8 + column] == nearest[row * 8 + column]) }
      }
    }
    let none = try ErrorFeedback(moments: DoubleMatrix(rows: 8, columns: 8), damping: 0.01, order: .activity)
    #expect(
      try none.codes(of: wide, on: quantizer) == quantizer.codes(wide.values, channelStride: 8, channelCount: 3))
  }

  @Test("moments that are not finite are refused") func notFinite() {
    var moments = moments(4)
    moments[2, 1] = .infinity
    moments[1, 2] = .infinity
    let error =
      thrownError { _ = try ErrorFeedback(moments: moments, damping: 0.01, order: .natural) } as? LinearAlgebraError
    #expect(error?.id == "E-MATRIX-NONFINITE")
  }
}
