/// Elementary functions whose bits are equal on every machine: only IEEE additions, multiplications, divisions and square
/// roots in a fixed order, no libm (whose last bits change with the library and with the processor it dispatches on).
/// Accurate to a few units in the last place of Double. For noise and schedules; kernels have their own Float versions.
package enum PortableMath {
  static let ln2 = 0.693147180559945309417
  static let sqrt2 = 1.41421356237309504880
  /// ln 2 with 21 trailing zero bits, so that a small integer times it is exact, and the remainder.
  static let ln2High = Double(bitPattern: 0x3FE6_2E42_FEE0_0000)
  static let ln2Low = 1.90821492927058770002e-10

  /// Natural logarithm of a positive normal number.
  ///
  /// x = m 2^k with m in [sqrt(1/2), sqrt(2)); ln m = 2 artanh(s) = 2 (s + s^3/3 + s^5/5 + …), s = (m - 1) / (m + 1),
  /// |s| < 0.1716. The first term left out is below 2^-57 of the sum.
  package static func log(_ x: Double) -> Double {
    precondition(x.isNormal && x > 0)
    var exponent = Double(x.exponent)
    var mantissa = x.significand
    if mantissa >= sqrt2 {
      mantissa *= 0.5
      exponent += 1
    }
    let s = (mantissa - 1) / (mantissa + 1)
    let square = s * s
    var series = 1.0 / 23
    series = series * square + 1.0 / 21
    series = series * square + 1.0 / 19
    series = series * square + 1.0 / 17
    series = series * square + 1.0 / 15
    series = series * square + 1.0 / 13
    series = series * square + 1.0 / 11
    series = series * square + 1.0 / 9
    series = series * square + 1.0 / 7
    series = series * square + 1.0 / 5
    series = series * square + 1.0 / 3
    series = series * square + 1
    return exponent * ln2High + (2 * s * series + exponent * ln2Low)
  }

  /// e to the power x; 0 below -708 and infinity above 709 (subnormal results are flushed to 0).
  ///
  /// x = k ln 2 + r, |r| <= ln 2 / 2; the Taylor series of e^r to r^13 leaves out less than 2^-57.
  package static func exp(_ x: Double) -> Double {
    if x.isNaN { return x }
    if x < -708 { return 0 }
    if x > 709 { return .infinity }
    let k = (x / ln2).rounded(.toNearestOrEven)
    let r = (x - k * ln2High) - k * ln2Low
    var series = 1.0
    for n in stride(from: 13.0, through: 1, by: -1) { series = 1 + series * (r / n) }
    return series * Double(sign: .plus, exponent: Int(k), significand: 1)
  }

  /// Sine and cosine of `turns` times 2 pi, for 0 <= turns <= 1.
  ///
  /// The angle is reduced to [-pi/4, pi/4] around a multiple of a quarter turn, exactly; Taylor series to x^17 and x^16.
  package static func sineCosine(turns: Double) -> (sine: Double, cosine: Double) {
    let quarter = (turns * 4).rounded(.toNearestOrEven)
    let x = (turns * 4 - quarter) * (Double.pi / 2)
    let square = x * x
    // Horner's scheme over 1/(2n+1)! and 1/(2n)!: each factor divides by the next two integers.
    var sine = 1 - square * (1.0 / (16 * 17))
    sine = 1 - sine * square * (1.0 / (14 * 15))
    sine = 1 - sine * square * (1.0 / (12 * 13))
    sine = 1 - sine * square * (1.0 / (10 * 11))
    sine = 1 - sine * square * (1.0 / (8 * 9))
    sine = 1 - sine * square * (1.0 / (6 * 7))
    sine = 1 - sine * square * (1.0 / (4 * 5))
    sine = 1 - sine * square * (1.0 / (2 * 3))
    sine *= x
    var cosine = 1 - square * (1.0 / (15 * 16))
    cosine = 1 - cosine * square * (1.0 / (13 * 14))
    cosine = 1 - cosine * square * (1.0 / (11 * 12))
    cosine = 1 - cosine * square * (1.0 / (9 * 10))
    cosine = 1 - cosine * square * (1.0 / (7 * 8))
    cosine = 1 - cosine * square * (1.0 / (5 * 6))
    cosine = 1 - cosine * square * (1.0 / (3 * 4))
    cosine = 1 - cosine * square * (1.0 / (1 * 2))
    switch Int(quarter) & 3 {
    case 0: return (sine, cosine)
    case 1: return (cosine, -sine)
    case 2: return (-sine, -cosine)
    default: return (-cosine, sine)
    }
  }
}
