/// Fixed-width integers in byte buffers, and sizes that cannot overflow.
extension [UInt8] {
  /// The little-endian integer at `offset`. - Precondition: it lies inside.
  func little<T: FixedWidthInteger>(_: T.Type, at offset: Int) -> T {
    withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: T.self)) }
  }

  /// The big-endian integer at `offset`. - Precondition: it lies inside.
  func big<T: FixedWidthInteger>(_: T.Type, at offset: Int) -> T {
    withUnsafeBytes { T(bigEndian: $0.loadUnaligned(fromByteOffset: offset, as: T.self)) }
  }

  mutating func appendLittle<T: FixedWidthInteger>(_ value: T) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }

  /// Reverses the bytes of each element of `width` bytes.
  mutating func swapElements(width: Int) {
    guard width > 1 else { return }
    for start in stride(from: 0, to: count, by: width) { self[start..<(start + width)].reverse() }
  }
}

/// The bytes of an array of `dims`, or nil when that overflows. Zeros do not hide an overflow: every product of some of the
/// dims must fit too, because later code multiplies them in its own order.
func byteCount(_ dims: [Int], elementSize: Int) -> Int? {
  var product = elementSize
  for dim in dims {
    guard dim >= 0 else { return nil }
    let (next, overflow) = product.multipliedReportingOverflow(by: Swift.max(dim, 1))
    if overflow { return nil }
    product = next
  }
  return dims.contains(0) ? 0 : product
}
