import CKernels

/// The quantisation rule q = clamp(rint(x * inverse) + z, 0, largest), NaN -> z, as 16 lanes.
///
/// The bounds are integers, so clamping before the rounding gives the same codes and bounds what is rounded: adding
/// 1.5 * 2^23 then rounds half to even. Holds for |z| and largest below 2^21, which the callers check.
struct Coder {
  let inverse: SIMD16<Float>
  let lowest: SIMD16<Float>
  let highest: SIMD16<Float>
  let zeroPoint: SIMD16<Int32>

  @inline(__always) init(inverseStep: Float, zeroPoint: Int32, largest: Int32) {
    inverse = SIMD16(repeating: inverseStep)
    lowest = SIMD16(repeating: Float(0 &- zeroPoint))
    highest = SIMD16(repeating: Float(largest &- zeroPoint))
    self.zeroPoint = SIMD16(repeating: zeroPoint)
  }

  /// 1.5 * 2^23 + (q - z): the integer in the low bits.
  @inline(__always) private func rounded(_ x: SIMD16<Float>) -> SIMD16<Float> {
    let scaled = ht_zero_nan16(x * inverse)
    return ht_min16(ht_max16(scaled, lowest), highest) + SIMD16(repeating: 0x1.8p23)
  }

  /// q.
  @inline(__always) func codes(_ x: SIMD16<Float>) -> SIMD16<Int32> {
    ht_bits16(rounded(x)) &- (SIMD16(repeating: 0x4b40_0000) &- zeroPoint)
  }

  /// q - z.
  @inline(__always) func centredCodes(_ x: SIMD16<Float>) -> SIMD16<Float> {
    rounded(x) - SIMD16(repeating: 0x1.8p23)
  }
}
