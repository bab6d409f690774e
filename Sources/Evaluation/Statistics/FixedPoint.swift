/// Exact sums of features. A Float32 feature is rounded once, to a grid of 2^-24; sums of grid values and of their
/// products are integers, so they do not depend on the order of images, on batches, or on how a run was split.
///
/// Why this grid: pooled features are of order 0.01 to 100. A value of magnitude 1 or more lies on the grid exactly; a
/// smaller one moves by at most 2^-25 = 3.0e-8. Bounds: |q| < 2^47 and at most 2^28 images (`ImageIndexSet.limit`), so
/// a sum of q is below 2^75 and a sum of products below 2^122: both fit Int128 with room.
enum FixedPoint {
  static let fractionBits = 24
  /// Features must be smaller in magnitude.
  static let limit: Float = 0x1p23
  /// Bits of the largest |q|.
  static let magnitudeBits = 47
  /// Below this root mean square, rounding to the grid costs more than 2^-13 of the typical feature.
  static let smallestRootMeanSquare = 0x1p-12

  /// rint(x * 2^24), half to even. - Precondition: |x| < limit.
  @inline(__always) static func code(_ x: Float) -> Int64 { Int64((Double(x) * 0x1p24).rounded(.toNearestOrEven)) }

  /// sum / (count * 2^24).
  static func mean(sum: Int128, count: Int) -> Double { Double(sum) / Double(count) * 0x1p-24 }

  /// Covariance with divisor n - 1: (n P_ij - S_i S_j) / (n (n - 1) 2^48). The numerator is formed in 256 bits, so
  /// nothing cancels: constant features have a covariance of exactly zero, and every machine gets the same bits.
  static func covariance(product: Int128, _ sumA: Int128, _ sumB: Int128, count: Int) -> Double {
    let numerator = Wide(product, times: Int128(count)) - Wide(sumA, times: sumB)
    return numerator.double / (Double(count) * Double(count - 1)) * 0x1p-48
  }

  /// A 256-bit two's complement integer, as much of it as a covariance needs.
  struct Wide {
    var high: Int128
    var low: UInt128

    init(high: Int128, low: UInt128) {
      self.high = high
      self.low = low
    }

    init(_ a: Int128, times b: Int128) {
      let product = a.multipliedFullWidth(by: b)
      self.init(high: product.high, low: product.low)
    }

    static func - (a: Wide, b: Wide) -> Wide {
      let (low, borrow) = a.low.subtractingReportingOverflow(b.low)
      return Wide(high: a.high &- b.high &- (borrow ? 1 : 0), low: low)
    }

    /// Nearest Double to within one unit in the last place; exact below 2^53.
    var double: Double {
      if high >= 0 { return Self.double(UInt128(bitPattern: high)) * 0x1p128 + Self.double(low) }
      let negated = Wide(high: 0, low: 0) - self
      return -(Self.double(UInt128(bitPattern: negated.high)) * 0x1p128 + Self.double(negated.low))
    }

    /// The nearest Double, ties to even, as `Double(x)` gives it, whose generic conversion costs more than all sums of a
    /// covariance: the upper 64 bits round as the whole does once a bit stands for what was cut off.
    private static func double(_ x: UInt128) -> Double {
      let cut = 64 - x.leadingZeroBitCount
      if cut <= 0 { return Double(UInt64(truncatingIfNeeded: x)) }
      let top = UInt64(truncatingIfNeeded: x &>> UInt128(truncatingIfNeeded: cut))
      let rest = x &<< UInt128(truncatingIfNeeded: 128 - cut)
      return Double(rest == 0 ? top : top | 1) * Double(sign: .plus, exponent: cut, significand: 1)
    }
  }
}
