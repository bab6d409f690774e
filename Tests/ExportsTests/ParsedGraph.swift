import Exports
import Foundation
import SwiftProtobuf
import TestSupport
import Testing

/// An ONNX file read back by its messages.
struct ParsedGraph {
  let model: Onnx_ModelProto
  let arrays: [String: Onnx_TensorProto]
  var graph: Onnx_GraphProto { model.graph }

  init(_ graph: ONNXGraph, metadata: [(key: String, value: String)] = []) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("graph.onnx")
    let file = ONNXFile(graph: graph, metadata: metadata, program: "test")
    try file.write(to: path)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    #expect(try file.size() == bytes.count)
    try self.init(bytes)
  }

  init(_ bytes: Data) throws {
    model = try Onnx_ModelProto(serializedBytes: bytes)
    arrays = Dictionary(uniqueKeysWithValues: model.graph.initializer.map { ($0.name, $0) })
  }

  var inputs: [String] { graph.input.map(\.name) }
  func nodes(_ operation: String) -> [Onnx_NodeProto] { graph.node.filter { $0.opType == operation } }
  func producer(of value: String) -> Onnx_NodeProto? { graph.node.first { $0.output.contains(value) } }

  func floats(_ name: String) throws -> [Float] {
    let data = try #require(arrays[name], "\(name)").rawData
    return stride(from: 0, to: data.count, by: 4).map { start in
      Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(data[start + $1]) << (8 * $1) })
    }
  }

  /// Signed integers of an array of bytes or half bytes.
  func integers(_ name: String) throws -> [Int] {
    let array = try #require(arrays[name], "\(name)")
    let count = array.dims.reduce(1) { $0 * Int($1) }
    switch array.dataType {
    case .int8: return array.rawData.map { Int(Int8(bitPattern: $0)) }
    case .uint8: return array.rawData.map { Int($0) }
    case .int4:
      return (0..<count).map { position in
        let half = array.rawData[position / 2] >> (position % 2 == 0 ? 0 : 4) & 0x0f
        return half < 8 ? Int(half) : Int(half) - 16
      }
    default: throw Unexpected(type: array.dataType)
    }
  }

  struct Unexpected: Error { let type: Onnx_TensorProto.DataType }

  /// What is wrong with it as a graph: a value that nothing has made yet, a name made twice, an array whose bytes are not as many as its
  /// shape says or that nothing reads, an output that nothing makes.
  var faults: [String] {
    var faults: [String] = []
    var known = Set(inputs)
    for array in graph.initializer {
      if !known.insert(array.name).inserted { faults.append("\(array.name) twice") }
      let count = array.dims.reduce(1) { $0 * Int($1) }
      let bits: [Onnx_TensorProto.DataType: Int] = [.float: 32, .int64: 64, .int8: 8, .uint8: 8, .int4: 4]
      if (count * (bits[array.dataType] ?? 0) + 7) / 8 != array.rawData.count { faults.append("\(array.name): bytes") }
    }
    var read: Set<String> = []
    for node in graph.node {
      for input in node.input where !input.isEmpty {
        read.insert(input)
        if !known.contains(input) { faults.append("\(node.name) reads \(input)") }
      }
      for output in node.output where !known.insert(output).inserted { faults.append("\(output) twice") }
    }
    faults += graph.output.map(\.name).filter { !known.contains($0) }.map { "no \($0)" }
    faults += (inputs + arrays.keys).filter { !read.contains($0) }.map { "\($0) is not read" }
    return faults
  }
}
