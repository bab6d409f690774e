import Tensors

/// Rewrites floating-point values in another floating-point type, rounding once to nearest, halves to even, and measures what
/// that changed. NaN stays NaN and infinities stay; a finite value beyond the type's range becomes infinite and is counted.
package struct ElementConversion: Sendable {
  package let source: ElementType
  package let target: ElementType
  /// Values that came back different, overflows included.
  package private(set) var changed = 0
  package private(set) var overflows = 0
  /// The largest difference of a value that did not overflow.
  package private(set) var largestError = 0.0

  /// - Precondition: both types are floating-point ones.
  package init(from source: ElementType, to target: ElementType) {
    precondition(source.isFloatingPoint && target.isFloatingPoint)
    self.source = source
    self.target = target
  }

  /// Whether every value of the source has an equal one of the target.
  package var isExact: Bool {
    source == target || target == .f64 || (target == .f32 && source != .f64)
  }

  package mutating func convert(_ bytes: [UInt8], _ range: Range<Int>) -> [UInt8] {
    if source == target { return Array(bytes[range]) }
    let stored = StoredTensor(type: source, dims: [range.count / source.byteCount], bytes: Array(bytes[range]))
    var out: [UInt8] = []
    out.reserveCapacity(stored.count * target.byteCount)
    if source == .f64 {
      for value in stored.doubles() { append(value, as: Self.oddFloat(value), to: &out) }
    } else {
      for value in stored.floats()?.values ?? [] { append(Double(value), as: value, to: &out) }
    }
    return out
  }

  /// - Parameter single: `value` itself where it is a Float; else the neighbour with an odd last bit, which rounds to any type of
  ///   at most 22 significant bits as the value itself does.
  private mutating func append(_ value: Double, as single: Float, to out: inout [UInt8]) {
    let back: Double
    switch target {
    case .f64:
      out.appendLittle(value.bitPattern)
      return
    case .f32:
      let rounded = Float(value)
      out.appendLittle(rounded.bitPattern)
      back = Double(rounded)
    case .bf16:
      let bits = single.bfloat16Bits
      out.appendLittle(bits)
      back = Double(Float(bfloat16Bits: bits))
    default:
      let (bits, rounded) = Self.half(single)
      out.appendLittle(bits)
      back = Double(rounded)
    }
    guard back != value, !value.isNaN else { return }
    changed += 1
    if back.isInfinite {
      overflows += 1
    } else {
      largestError = max(largestError, abs(back - value))
    }
  }

  /// Rounding to odd: the Float towards zero with its last bit set, unless the value is a Float.
  private static func oddFloat(_ value: Double) -> Float {
    let nearest = Float(value)
    guard nearest.isFinite, Double(nearest) != value else { return nearest }
    let truncated = abs(Double(nearest)) > abs(value) ? nearest.bitPattern - 1 : nearest.bitPattern
    return Float(bitPattern: truncated | 1)
  }

  /// IEEE binary16 and its value: the multiple of the value's unit in the last place that is nearest.
  private static func half(_ value: Float) -> (bits: UInt16, value: Float) {
    let sign = UInt16(truncatingIfNeeded: value.bitPattern >> 16) & 0x8000
    if value.isNaN { return (sign | 0x7e00, value) }
    let signed = { (magnitude: Float) in sign == 0 ? magnitude : -magnitude }
    let magnitude = abs(value)
    // Half way between the largest half, 65504, and what would be the next one rounds to even, which is beyond.
    if magnitude >= 65520 { return (sign | 0x7c00, signed(.infinity)) }
    // Ten bits behind the leading one; below 2^-14 the unit stays 2^-24.
    let exponent = max(magnitude == 0 ? -14 : Int(magnitude.exponent), -14)
    let unit = Float(sign: .plus, exponent: exponent - 10, significand: 1)
    let steps = (magnitude / unit).rounded(.toNearestOrEven)
    // Where rounding reaches the next power of two, the sum carries into the exponent.
    return (sign | (UInt16(exponent + 14) << 10 + UInt16(steps)), signed(steps * unit))
  }
}
