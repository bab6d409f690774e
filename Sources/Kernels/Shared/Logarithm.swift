import CKernels

/// ln x for 16 lanes of positive normal numbers, relative error below 3e-7 away from 1 and absolute below 1e-7 near it.
///
/// x = 2^e m with m in [sqrt(1/2), sqrt(2)), ln m = 2 artanh(t) with t = (m - 1) / (m + 1), |t| <= 0.1716: five terms of
/// its series leave 2 t^11 / 11 < 7e-10.
@inline(__always) func logarithm(_ x: SIMD16<Float>) -> SIMD16<Float> {
  let bits = ht_bits16(x)
  // Adding 1 - sqrt(1/2) to the mantissa carries into the exponent from sqrt(2) on.
  let shifted = bits &+ SIMD16(repeating: 0x3f80_0000 - 0x3f35_04f3)
  let exponent = (shifted &>> SIMD16(repeating: 23)) &- SIMD16(repeating: 127)
  let mantissa = unsafeBitCast(
    (shifted & SIMD16(repeating: 0x007f_ffff)) &+ SIMD16(repeating: 0x3f35_04f3), to: SIMD16<Float>.self)
  let one = SIMD16<Float>(repeating: 1)
  let t = (mantissa - one) / (mantissa + one)
  let square = t * t
  var series = SIMD16<Float>(repeating: 2 / 9)
  series = ht_fma16(series, square, SIMD16(repeating: 2 / 7))
  series = ht_fma16(series, square, SIMD16(repeating: 2 / 5))
  series = ht_fma16(series, square, SIMD16(repeating: 2 / 3))
  series = ht_fma16(series, square, SIMD16(repeating: 2))
  return ht_fma16(ht_to_floats16(exponent), SIMD16(repeating: 0x1.62e43p-1), series * t)
}
