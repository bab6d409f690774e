import Formats
import SwiftProtobuf
import Tensors

/// A graph as an ONNX file: its messages by swift-protobuf, its arrays written one after another behind them. Parts of a message may stand
/// in any order, so that nothing has to be held for the sake of what comes first.
package struct ONNXFile: Sendable {
  /// Version of the file's own structure: the one that came with 4-bit integers (ONNX 1.16).
  private static let structureVersion: Int64 = 10
  /// Version of the operations.
  package static let operationsVersion: Int64 = 21
  /// What protobuf readers accept.
  package static let largestSize = Int(Int32.max)

  package let graph: ONNXGraph
  /// What the file says of itself, by key.
  package let metadata: [(key: String, value: String)]
  package let program: String

  package init(graph: ONNXGraph, metadata: [(key: String, value: String)], program: String) {
    self.graph = graph
    self.metadata = metadata
    self.program = program
  }

  /// The bytes that stand in front of each array, and what surrounds them all.
  private struct Layout {
    var model: [UInt8]
    var graph: [UInt8]
    var arrays: [[UInt8]]
    var size: Int
  }

  /// - Throws: `E-EXPORT-SIZE` for a file that no protobuf reader would take, before anything is written.
  package func write(to path: String) throws {
    let layout = try layout()
    if layout.size > Self.largestSize { throw ExportError.size(path: path, bytes: layout.size) }
    try AtomicFile.write(to: path, expected: layout.size) { output in
      try output.write(layout.model)
      try output.write(layout.graph)
      for (head, array) in zip(layout.arrays, graph.initializers) {
        try output.write(head)
        try output.write(array.bytes())
      }
    }
  }

  /// Bytes that `write` would write.
  package func size() throws -> Int { try layout().size }

  private func layout() throws -> Layout {
    var model = Onnx_ModelProto()
    model.irVersion = Self.structureVersion
    model.producerName = "halftone"
    model.producerVersion = program
    model.opsetImport = [.with { ($0.domain, $0.version) = ("", Self.operationsVersion) }]
    model.metadataProps = metadata.map { entry in .with { ($0.key, $0.value) = (entry.key, entry.value) } }
    let nodes: [UInt8] = try graph.message.serializedBytes()
    let arrays = try graph.initializers.map { array in
      let tensor = Onnx_TensorProto.with {
        ($0.dims, $0.dataType, $0.name) = (array.dims.map(Int64.init), array.type, array.name)
      }
      let head: [UInt8] = try tensor.serializedBytes()
      let data = Self.frame(field: 9, count: array.byteCount)
      return Self.frame(field: 5, count: head.count + data.count + array.byteCount) + head + data
    }
    let inside = nodes.count + zip(arrays, graph.initializers).reduce(0) { $0 + $1.0.count + $1.1.byteCount }
    let graphFrame = Self.frame(field: 7, count: inside)
    let start: [UInt8] = try model.serializedBytes()
    return Layout(
      model: start, graph: graphFrame + nodes, arrays: arrays, size: start.count + graphFrame.count + inside)
  }

  /// What stands in front of a field that is a message or bytes: its number with wire type 2, and how many bytes follow, in groups
  /// of seven bits.
  private static func frame(field: Int, count: Int) -> [UInt8] {
    var bytes = [UInt8(field << 3 | 2)]
    var rest = count
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7f | 0x80))
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }
}
