/// Element types that archives carry; names as safetensors spells them.
package enum ElementType: String, Sendable, CaseIterable {
  case f64 = "F64", f32 = "F32", f16 = "F16", bf16 = "BF16"
  case i64 = "I64", i32 = "I32", i16 = "I16", i8 = "I8"
  case u64 = "U64", u32 = "U32", u16 = "U16", u8 = "U8", bool = "BOOL"
  package var byteCount: Int {
    switch self {
    case .f64, .i64, .u64: 8
    case .f32, .i32, .u32: 4
    case .f16, .bf16, .i16, .u16: 2
    case .i8, .u8, .bool: 1
    }
  }
  package var isFloatingPoint: Bool {
    switch self {
    case .f64, .f32, .f16, .bf16: true
    case .i64, .i32, .i16, .i8, .u64, .u32, .u16, .u8, .bool: false
    }
  }
}

/// One stored array: little-endian bytes, row-major.
package struct StoredTensor: Sendable, Equatable {
  package let type: ElementType
  package let dims: [Int]
  package let bytes: [UInt8]

  /// - Precondition: `bytes.count` is the product of `dims` times the element's size.
  package init(type: ElementType, dims: [Int], bytes: [UInt8]) {
    precondition(dims.reduce(1, *) * type.byteCount == bytes.count)
    self.type = type
    self.dims = dims
    self.bytes = bytes
  }

  package init(_ tensor: Tensor) {
    self.init(type: .f32, dims: tensor.dims, bytes: tensor.values.withUnsafeBytes(Array.init))
  }

  package init(dims: [Int], _ values: [Int16]) {
    self.init(type: .i16, dims: dims, bytes: values.withUnsafeBytes(Array.init))
  }

  package init(dims: [Int], _ values: [UInt8]) { self.init(type: .u8, dims: dims, bytes: values) }

  package init(dims: [Int], _ values: [Int64]) {
    self.init(type: .i64, dims: dims, bytes: values.withUnsafeBytes(Array.init))
  }

  package init(dims: [Int], _ values: [Double]) {
    self.init(type: .f64, dims: dims, bytes: values.withUnsafeBytes(Array.init))
  }

  package var count: Int { dims.reduce(1, *) }

  /// The values of a floating-point array as Float, nil for other element types. Both 16-bit types widen exactly; F64 is rounded
  /// once, to nearest, and becomes infinite beyond Float's range.
  package func floats() -> Tensor? {
    let count = dims.reduce(1, *)
    let values: [Float]
    switch type {
    case .f32: values = elements(count, UInt32.self).map { Float(bitPattern: $0) }
    case .bf16: values = elements(count, UInt16.self).map { Float(bfloat16Bits: $0) }
    case .f16: values = elements(count, UInt16.self).map(Self.widen)
    case .f64: values = elements(count, UInt64.self).map { Float(Double(bitPattern: $0)) }
    default: return nil
    }
    return Tensor(dims, values)
  }

  /// As `floats`, and F64 arrays rounded to the nearest Floats: what float arithmetic takes from files of programs whose
  /// numbers are Doubles by default. nil for integers.
  /// - Returns: the values, and how many of them were changed by rounding.
  package func nearestFloats() -> (values: Tensor, rounded: Int)? {
    guard type == .f64 else { return floats().map { ($0, 0) } }
    let doubles = doubles()
    let values = doubles.map { Float($0) }
    let rounded = zip(doubles, values).count { Double($1) != $0 && !$0.isNaN }
    return (Tensor(dims, values), rounded)
  }

  /// The values of any element type as Double: exact, but for 64-bit integers beyond 2^53, which are rounded.
  package func doubles() -> [Double] {
    switch type {
    case .f64: elements(count, UInt64.self).map { Double(bitPattern: $0) }
    case .f32, .f16, .bf16: floats()!.values.map(Double.init)
    case .i64: elements(count, Int64.self).map(Double.init)
    case .i32: elements(count, Int32.self).map(Double.init)
    case .i16: elements(count, Int16.self).map(Double.init)
    case .i8: elements(count, Int8.self).map(Double.init)
    // `Double.init` alone would take them for bit patterns.
    case .u64: elements(count, UInt64.self).map { Double($0) }
    case .u32: elements(count, UInt32.self).map(Double.init)
    case .u16: elements(count, UInt16.self).map(Double.init)
    case .u8, .bool: bytes.map(Double.init)
    }
  }

  /// The values as a fixed-width integer array, or nil when the stored type's width differs.
  package func integers<T: FixedWidthInteger>(_: T.Type) -> [T]? {
    guard T.bitWidth / 8 == type.byteCount else { return nil }
    return elements(dims.reduce(1, *), T.self)
  }

  private func elements<T: FixedWidthInteger>(_ count: Int, _: T.Type) -> [T] {
    bytes.withUnsafeBytes { raw in
      [T](unsafeUninitializedCapacity: count) { buffer, initialized in
        for i in 0..<count {
          (buffer.baseAddress! + i).initialize(
            to: T(littleEndian: raw.loadUnaligned(fromByteOffset: i * MemoryLayout<T>.size, as: T.self)))
        }
        initialized = count
      }
    }
  }

  /// IEEE binary16 to binary32, exact; written out because `Float16` is absent on some targets.
  private static func widen(_ half: UInt16) -> Float {
    let sign = UInt32(half & 0x8000) << 16
    let exponent = UInt32(half >> 10) & 0x1f
    let fraction = UInt32(half & 0x3ff)
    switch exponent {
    case 0:
      let magnitude = Float(fraction) * 0x1p-24
      return Float(bitPattern: magnitude.bitPattern | sign)
    case 31: return Float(bitPattern: sign | 0x7f80_0000 | fraction << 13)
    default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
    }
  }
}

/// Named arrays and text metadata: what a checkpoint, an artefact or an .npz holds, whatever the container.
package struct TensorArchive: Sendable {
  package var tensors: [String: StoredTensor]
  package var metadata: [String: String]
  package init(tensors: [String: StoredTensor] = [:], metadata: [String: String] = [:]) {
    self.tensors = tensors
    self.metadata = metadata
  }
  /// Names in the one order used for files, digests and messages.
  package var names: [String] { tensors.keys.sorted() }
}
