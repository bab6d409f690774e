import Foundation
import Tensors

/// An attribute of an ONNX node: a setting that is part of the graph and no operand.
enum ONNXAttribute {
  case integer(Int)
  case integers([Int])
  case float(Float)
  case string(String)
}

/// The nodes and arrays of an ONNX graph under construction. A value is known by its name; every call that emits returns the one it made.
package struct ONNXGraph: Sendable {
  /// The first axis of every input and output: how many images a call has.
  static let batch = "batch"

  private(set) var message = Onnx_GraphProto()
  package private(set) var initializers: [ONNXInitializer] = []
  private var taken: Set<String> = []
  /// Arrays whose names tell their contents, so that equal ones are one.
  private var shared: Set<String> = []

  init(name: String) { message.name = name }

  /// The name, or with a number behind it where it is taken.
  private mutating func unique(_ name: String) -> String {
    if taken.insert(name).inserted { return name }
    var number = 2
    while !taken.insert("\(name)_\(number)").inserted { number += 1 }
    return "\(name)_\(number)"
  }

  package var nodeCount: Int { message.node.count }
  package var inputNames: [String] { message.input.map(\.name) }

  // MARK: Inputs and outputs

  /// - Parameter dims: without the batch, nil: a single number for the whole call.
  mutating func input(_ name: String, _ type: Onnx_TensorProto.DataType, dims: [Int]?) -> String {
    taken.insert(name)
    message.input.append(Self.info(name, type, dims))
    return name
  }

  /// Names a value as a result of the graph.
  mutating func output(_ name: String, _ value: String, dims: [Int]) {
    _ = emit("Identity", [value], as: name)
    message.output.append(Self.info(name, .float, dims))
  }

  private static func info(_ name: String, _ type: Onnx_TensorProto.DataType, _ dims: [Int]?) -> Onnx_ValueInfoProto {
    .with {
      $0.name = name
      $0.type.tensorType.elemType = type
      $0.type.tensorType.shape = .with { shape in
        guard let dims else { return }
        shape.dim = [.with { $0.dimParam = batch }] + dims.map { size in .with { $0.dimValue = Int64(size) } }
      }
    }
  }

  // MARK: Nodes

  /// - Parameters: operation: of ONNX; inputs: values; name: of the node and of what it makes.
  mutating func emit(
    _ operation: String, _ inputs: [String], as name: String, _ attributes: [(String, ONNXAttribute)] = []
  ) -> String {
    emit(operation, inputs, as: [name], attributes)[0]
  }

  /// A node with several results.
  mutating func emit(
    _ operation: String, _ inputs: [String], as names: [String], _ attributes: [(String, ONNXAttribute)] = []
  ) -> [String] {
    let outputs = names.map { unique($0) }
    message.node.append(
      .with {
        $0.opType = operation
        $0.input = inputs
        $0.output = outputs
        $0.name = outputs[0]
        $0.attribute = attributes.map(Self.attribute)
      })
    return outputs
  }

  private static func attribute(_ name: String, _ value: ONNXAttribute) -> Onnx_AttributeProto {
    .with {
      $0.name = name
      switch value {
      case .integer(let number): ($0.type, $0.i) = (.int, Int64(number))
      case .integers(let numbers): ($0.type, $0.ints) = (.ints, numbers.map(Int64.init))
      case .float(let number): ($0.type, $0.f) = (.float, number)
      case .string(let text): ($0.type, $0.s) = (.string, Data(text.utf8))
      }
    }
  }

  // MARK: Arrays

  /// Adds an array under its name, or a numbered one where that is taken.
  mutating func add(_ array: ONNXInitializer) -> String {
    let name = unique(array.name)
    initializers.append(ONNXInitializer(name: name, dims: array.dims, type: array.type, bytes: array.bytes))
    return name
  }

  mutating func floats(_ name: String, _ dims: [Int], _ values: @escaping @Sendable () -> [Float]) -> String {
    add(.floats(name, dims, values))
  }

  /// An array whose name tells its contents: the one that is there, where there is one.
  mutating func share(_ array: ONNXInitializer) -> String {
    shared.insert(array.name).inserted ? add(array) : array.name
  }

  /// A number for elementwise operations.
  mutating func number(_ value: Float) -> String { share(.floats("number.\(value)", []) { [value] }) }

  /// A vector of integers, such as axes or a shape.
  mutating func integers(_ values: [Int]) -> String {
    share(.integers("integers." + values.map(String.init).joined(separator: "_"), [values.count], values))
  }

  /// One integer.
  mutating func integer(_ value: Int) -> String { share(.integers("integer.\(value)", [], [value])) }

  /// A vector of one number over and over.
  mutating func repeated(_ value: Float, count: Int) -> String {
    share(.floats("repeated.\(value).\(count)", [count]) { [Float](repeating: value, count: count) })
  }

  mutating func reshape(_ value: String, _ dims: [Int], as name: String) -> String {
    emit("Reshape", [value, integers(dims)], as: name)
  }
}
