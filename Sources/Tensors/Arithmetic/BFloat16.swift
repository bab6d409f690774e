extension Float {
  /// The upper half of this number, rounded to nearest even: bfloat16. NaN stays NaN.
  package var bfloat16Bits: UInt16 {
    if isNaN { return UInt16(truncatingIfNeeded: bitPattern >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (bitPattern + 0x7fff + (bitPattern >> 16 & 1)) >> 16)
  }

  /// The number whose bfloat16 these bits are.
  package init(bfloat16Bits bits: UInt16) { self.init(bitPattern: UInt32(bits) << 16) }
}
