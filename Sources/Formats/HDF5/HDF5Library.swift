import CHDF5
import Synchronization
import Tensors

/// An identifier of libhdf5 that is closed when it goes out of scope.
struct HDF5Handle: ~Copyable {
  let id: hid_t
  private let close: (hid_t) -> herr_t

  /// - Throws: what `problem` makes of the library's reason when `id` is negative.
  init(_ id: hid_t, _ close: @escaping (hid_t) -> herr_t, orThrow problem: (String) -> HDF5Problem) throws(HDF5Problem)
  {
    guard id >= 0 else { throw problem(HDF5Library.error()) }
    self.id = id
    self.close = close
  }

  deinit { _ = close(id) }
}

enum HDF5Library {
  /// libhdf5 is not thread-safe as distributions build it; every call of this process is made under this lock. The value
  /// says whether the library has been prepared.
  private static let prepared = Mutex(false)

  /// Runs `body`, which alone uses libhdf5 meanwhile. Not to be nested.
  static func exclusively(_ body: () throws(HDF5Problem) -> Void) throws(HDF5Problem) {
    try prepared.withLock { prepared throws(HDF5Problem) in
      if !prepared { ht_h5_prepare() }
      prepared = true
      try body()
    }
  }

  /// The library's reason for its last failure.
  static func error() -> String {
    var text = [CChar](repeating: 0, count: 256)
    ht_h5_error(&text)
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// libhdf5's type for an element type; nil for those HDF5 files here do not hold. Not to be closed.
  static func standardType(_ type: ElementType, bigEndian: Bool = false) -> hid_t? {
    let kind: Int32
    switch type {
    case .f64, .f32: kind = Int32(HT_H5_FLOAT)
    case .i64, .i32, .i16, .i8: kind = Int32(HT_H5_SIGNED)
    case .u64, .u32, .u16, .u8: kind = Int32(HT_H5_UNSIGNED)
    case .f16, .bf16, .bool: return nil
    }
    return ht_h5_standard_type(kind, Int32(type.byteCount), bigEndian ? 1 : 0)
  }
}
