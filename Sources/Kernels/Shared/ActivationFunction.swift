import CKernels

/// The activations of a transform pass, 16 lanes at a time. NaN gives NaN.
///
/// Relative error in roundoffs of 2^-24, by counting roundings: silu 4 (2.4e-7), mish 7, gelu 8 down to x = -5 and 14
/// below. Silu is -0 below x = -88.7, where its true size is under 3e-37.
enum ActivationFunction {
  case none, silu, gelu, relu, mish

  /// The value; `self` is a constant wherever this is inlined.
  @inline(__always) func callAsFunction(_ x: SIMD16<Float>) -> SIMD16<Float> {
    switch self {
    case .none: return x
    case .silu: return x / (SIMD16(repeating: 1) + exponential(-x))
    case .gelu: return gaussianErrorLinearUnit(x)
    case .relu: return ht_max16(SIMD16(repeating: 0), x)
    case .mish: return mishUnit(x)
    }
  }
}

/// x Φ(x) with Φ the normal distribution function (Hendrycks & Gimpel 2016) = max(x, 0) - |x| Φ(-|x|).
@inline(__always) private func gaussianErrorLinearUnit(_ x: SIMD16<Float>) -> SIMD16<Float> {
  let a = ht_min16(SIMD16(repeating: 14.6), ht_max16(-x, x))
  return ht_fma16(-a, gaussianTail(a).tail, ht_max16(SIMD16(repeating: 0), x))
}

/// Φ(-a) of the normal distribution and e^(-a²/2), for a in 0...14.6.
///
/// Φ(-a) = e^(-a²/2) R(a); R is half the scaled complementary error function at a/√2, approximated by a
/// polynomial of degree 9 in (a - 3) / (a + 3) fitted on 0...14.6 (relative error 9.5e-9), beyond which Φ(-a) is zero in
/// Float. Working with the tail keeps the result accurate relative to itself for negative x. The rounding error of a² is
/// corrected to first order.
@inline(__always) func gaussianTail(_ a: SIMD16<Float>) -> (tail: SIMD16<Float>, bell: SIMD16<Float>) {
  let three = SIMD16<Float>(repeating: 3)
  let u = (a - three) / (a + three)
  var tail = SIMD16<Float>(repeating: 0x1.bd2168p-15)
  tail = ht_fma16(tail, u, SIMD16(repeating: 0x1.e1f89ep-14))
  tail = ht_fma16(tail, u, SIMD16(repeating: -0x1.63621ep-12))
  tail = ht_fma16(tail, u, SIMD16(repeating: -0x1.01bd1ep-10))
  tail = ht_fma16(tail, u, SIMD16(repeating: 0x1.7cadeep-9))
  tail = ht_fma16(tail, u, SIMD16(repeating: 0x1.91dc7cp-8))
  tail = ht_fma16(tail, u, SIMD16(repeating: -0x1.7a943ap-5))
  tail = ht_fma16(tail, u, SIMD16(repeating: 0x1.f8bad2p-4))
  tail = ht_fma16(tail, u, SIMD16(repeating: -0x1.a6b66ap-3))
  tail = ht_fma16(tail, u, SIMD16(repeating: 0x1.f1b89cp-4))
  let square = a * a
  let squareError = ht_fma16(a, a, -square)
  let bell = exponential(square * -0.5)
  tail = tail * ht_fma16(squareError * -0.5, bell, bell)
  return (tail, bell)
}

/// x tanh(ln(1 + e^x)) (Misra 2019) = x w / (w + 2) with w = e^x (e^x + 2); from x = 20 on the factor is 1 in Float.
@inline(__always) private func mishUnit(_ x: SIMD16<Float>) -> SIMD16<Float> {
  let two = SIMD16<Float>(repeating: 2)
  let power = exponential(ht_min16(SIMD16(repeating: 20), x))
  let w = power * (power + two)
  return x * (w / (w + two))
}
