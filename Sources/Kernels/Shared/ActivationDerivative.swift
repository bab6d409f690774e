import CKernels

extension ActivationFunction {
  /// The derivative; `self` is a constant wherever this is inlined.
  @inline(__always) func derivative(_ x: SIMD16<Float>) -> SIMD16<Float> {
    let (zero, one) = (SIMD16<Float>(repeating: 0), SIMD16<Float>(repeating: 1))
    switch self {
    case .none: return one
    case .silu:
      // sigma (1 + x (1 - sigma)).
      let sigma = one / (one + exponential(-x))
      return sigma * ht_fma16(x, one - sigma, one)
    case .gelu:
      // Phi(x) + x phi(x), phi(x) = e^(-x^2 / 2) / sqrt(2 pi).
      let (tail, bell) = gaussianTail(ht_min16(SIMD16(repeating: 14.6), ht_max16(-x, x)))
      let phi = bell * 0x1.988454p-2
      return ht_fma16(x, phi, tail.replacing(with: one - tail, where: x .> zero))
    case .relu: return zero.replacing(with: one, where: x .> zero)
    case .mish:
      // t + x (1 - t^2) sigma with t = w / (w + 2), sigma = e^x / (1 + e^x); 1 - t = 2 / (w + 2).
      let two = SIMD16<Float>(repeating: 2)
      let power = exponential(ht_min16(SIMD16(repeating: 20), x))
      let w = power * (power + two)
      let t = w / (w + two)
      return ht_fma16(x * (two / (w + two)) * (one + t), power / (one + power), t)
    }
  }
}
