import Tensors

/// An array of an ONNX graph: what describes it, and its bytes, which are made when the file reaches them, so that one array at a
/// time is in memory.
package struct ONNXInitializer: Sendable {
  package let name: String
  package let dims: [Int]
  let type: Onnx_TensorProto.DataType
  /// Elements row by row, little-endian, as many bytes as `byteCount` says.
  let bytes: @Sendable () -> [UInt8]

  var count: Int { dims.reduce(1, *) }

  var byteCount: Int {
    switch type {
    case .int64: 8 * count
    case .float: 4 * count
    case .int4: (count + 1) / 2
    case .uint8, .int8, .unspecified: count
    }
  }

  static func floats(_ name: String, _ dims: [Int], _ values: @escaping @Sendable () -> [Float]) -> ONNXInitializer {
    ONNXInitializer(name: name, dims: dims, type: .float) { values().flatMap { littleEndian($0.bitPattern) } }
  }

  static func integers(_ name: String, _ dims: [Int], _ values: [Int]) -> ONNXInitializer {
    ONNXInitializer(name: name, dims: dims, type: .int64) { values.flatMap { littleEndian(Int64($0)) } }
  }

  /// Bytes as they are, signed or not.
  static func bytes(
    _ name: String, _ dims: [Int], signed: Bool, _ values: @escaping @Sendable () -> [UInt8]
  ) -> ONNXInitializer {
    ONNXInitializer(name: name, dims: dims, type: signed ? .int8 : .uint8, bytes: values)
  }

  /// Signed numbers of four bits, one a byte as they come, two a byte as they are stored, the first in the lower half.
  static func halfBytes(
    _ name: String, _ dims: [Int], _ values: @escaping @Sendable () -> [UInt8]
  ) -> ONNXInitializer {
    ONNXInitializer(name: name, dims: dims, type: .int4) {
      let values = values()
      return stride(from: 0, to: values.count, by: 2).map { first in
        let second = first + 1 < values.count ? values[first + 1] : 0
        return values[first] & 0x0f | second << 4
      }
    }
  }

  private static func littleEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian, Array.init)
  }
}
