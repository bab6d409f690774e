import CKernels

/// e^x for 16 lanes, relative error below 1.1e-7 where the result is normal; 0 and infinity beyond Float's range, NaN
/// for NaN. The same bits on every instruction set: fused multiply-adds in one fixed order, no library call.
///
/// x = n ln 2 + r with n the nearest integer, e^x = 2^n (1 + r + r^2 q(r)). q is the degree 4 minimax polynomial on
/// |r| <= ln 2 / 2 (relative error of the whole 3.1e-9); ln 2 is split so that n times its high part is exact.
@inline(__always) func exponential(_ x: SIMD16<Float>) -> SIMD16<Float> {
  // Beyond these e^x is 0 or infinity; as the second operand of the comparison a NaN passes through.
  let bounded = ht_min16(SIMD16(repeating: 89), ht_max16(SIMD16(repeating: -104), x))
  // Adding 1.5 * 2^23 rounds to an integer, half to even.
  let rounder = SIMD16<Float>(repeating: 0x1.8p23)
  let n = ht_fma16(bounded, SIMD16(repeating: 0x1.715476p0), rounder) - rounder
  var r = ht_fma16(n, SIMD16(repeating: -0x1.63p-1), bounded)
  r = ht_fma16(n, SIMD16(repeating: 0x1.bd0106p-13), r)
  var q = SIMD16<Float>(repeating: 0x1.6a23d6p-10)
  q = ht_fma16(q, r, SIMD16(repeating: 0x1.123a2p-7))
  q = ht_fma16(q, r, SIMD16(repeating: 0x1.5558f2p-5))
  q = ht_fma16(q, r, SIMD16(repeating: 0x1.555492p-3))
  q = ht_fma16(q, r, SIMD16(repeating: 0x1.fffffcp-2))
  let one = SIMD16<Float>(repeating: 1)
  return ht_scale_by_power16(ht_fma16(r * r, q, r) + one, n)
}
