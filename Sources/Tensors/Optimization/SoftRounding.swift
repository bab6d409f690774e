import CKernels

/// One row of a weight whose rounding is being learned, as the kernels take it: what its variables stand for, and how
/// gradients reach them (AdaRound: Nagel et al. 2020, equations 22 to 24; or straight-through).
package struct SoftRounding {
  private var pass = ht_soft_rounding()

  /// - Parameters: variables: logits, or codes before rounding where `base` is nil; base: floor(w / scale) + zeroPoint.
  ///   Both hold `count` values and outlive this.
  package init(
    variables: UnsafePointer<Float>, base: UnsafePointer<Float>?, count: Int, scale: Float, zeroPoint: Float,
    largest: Float
  ) {
    pass.alpha = variables
    pass.base = base
    pass.count = Int64(count)
    pass.scale = scale
    pass.zero_point = zeroPoint
    pass.largest = largest
  }

  package func writeWeights(to values: UnsafeMutablePointer<Float>, kernels: KernelTable) {
    var pass = pass
    pass.values = values
    kernels.softWeights(&pass)
  }

  /// Turns the gradient by the weights into that by the variables, in place, that of
  /// penalty * sum (1 - |2 h - 1|^exponent) added where `base` is given.
  /// - Returns: the gradient by the scale.
  package func turn(
    _ gradient: UnsafeMutablePointer<Float>, penalty: Float, exponent: Float, kernels: KernelTable
  ) -> Float {
    var pass = pass
    pass.values = gradient
    pass.penalty = penalty
    pass.exponent = exponent
    return withUnsafeTemporaryAllocation(of: Float.self, capacity: 1) { scale in
      pass.scale_gradient = scale.baseAddress
      kernels.softGradient(&pass)
      return scale[0]
    }
  }
}
