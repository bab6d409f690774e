import CKernels
import Graphs
import Tensors

extension GradientExecutor {
  func normalizeRows(_ node: Node, scale: String, shift: String, epsilon: Float) {
    let (channels, rows) = (channels(node), pixels(node))
    let (gamma, beta) = (parameters[scale]!.values, parameters[shift]!.values)
    gamma.withUnsafeBufferPointer { gamma in
      beta.withUnsafeBufferPointer { beta in
        let (gamma, beta) = (gamma.baseAddress, beta.baseAddress)
        forEachImage { image in
          var pass = ht_layer_norm(
            source: UnsafePointer(operand(node, image)), scale: gamma, shift: beta, rows: Int32(rows),
            channels: Int32(channels), epsilon: epsilon, out: ht_row_store(result(node, image), channels: channels))
          kernels.layerNorm(&pass)
        }
      }
    }
  }

  /// The operand's cotangent row by row; the affine part's gradients are the sums over tokens of dy x^ and dy.
  func normalizeRowsGradient(_ node: Node, scale: String, shift: String, epsilon: Float) {
    let (channels, rows) = (channels(node), pixels(node))
    let target = contribution(node)
    let wantsAffine = targets.parameters.contains(scale) || targets.parameters.contains(shift)
    if target == nil, !wantsAffine { return }
    var scales = [Float](repeating: 0, count: wantsAffine ? count * channels : 0)
    var shifts = scales
    parameters[scale]!.values.withUnsafeBufferPointer { gamma in
      scales.withUnsafeMutableBufferPointer { scales in
        shifts.withUnsafeMutableBufferPointer { shifts in
          let (gamma, scales, shifts) = (gamma.baseAddress, scales.baseAddress, shifts.baseAddress)
          forEachImage { image in
            var pass = ht_layer_norm_gradient()
            pass.x = UnsafePointer(operand(node, image))
            pass.dy = UnsafePointer(cotangent(node, image))
            pass.scale = gamma
            if wantsAffine {
              pass.scale_sums = scales.map { $0 + image * channels }
              pass.shift_sums = shifts.map { $0 + image * channels }
            }
            pass.dx = target.map { $0.base + image * node.count }
            (pass.rows, pass.channels) = (Int32(rows), Int32(channels))
            pass.epsilon = epsilon
            pass.accumulate = target?.accumulate == true ? 1 : 0
            kernels.layerNormGradient(&pass)
          }
        }
      }
    }
    if targets.parameters.contains(scale) { setGradient(scale, count: channels, scales) }
    if targets.parameters.contains(shift) { setGradient(shift, count: channels, shifts) }
  }
}
