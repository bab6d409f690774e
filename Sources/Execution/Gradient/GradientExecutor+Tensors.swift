import Diffusion
import Graphs
import Tensors

/// Gradients of the sum of products of outputs and cotangents, summed over the batch.
package struct Gradients: Sendable {
  /// In the checkpoint's shapes.
  package var parameters: [String: Tensor]
  /// By node, batch axis first.
  package var inputs: [Int: Tensor]
}

// The executor with tensors of the graph's shapes (N C H W) in and out.
extension GradientExecutor {
  /// - Parameter inputs: of every input of the segment, batch axis first.
  /// - Returns: the outputs, by node.
  package func run(_ inputs: [Int: Tensor]) -> [Int: Tensor] {
    let images = inputs.values.first?.dims[0] ?? 1
    for node in segment.inputs {
      guard let tensor = inputs[node] else { preconditionFailure("\(graph.nodes[node].path) has no value") }
      write(tensor, to: value(node), of: node)
    }
    forward(images: images)
    return Dictionary(uniqueKeysWithValues: segment.outputs.map { ($0, read(value($0), of: $0)) })
  }

  /// The whole network's call.
  package func run(_ input: NetworkInput) throws -> Tensor {
    try graph.check(input)
    var values: [Int: Tensor] = [:]
    for node in segment.inputs {
      values[node] = input.value(of: graph.nodes[node])
    }
    guard let output = run(values)[graph.output] else { preconditionFailure("a segment without the network's output") }
    return output
  }

  /// - Parameter cotangents: of every output, of the shape that `run` gave.
  package func gradients(_ cotangents: [Int: Tensor]) -> Gradients {
    for node in segment.outputs {
      guard let tensor = cotangents[node] else { preconditionFailure("\(graph.nodes[node].path) has no cotangent") }
      if hasCotangent(node) { write(tensor, to: cotangent(node), of: node) }
    }
    backward()
    var found = Gradients(parameters: [:], inputs: [:])
    for (name, values) in parameterGradients { found.parameters[name] = Tensor(parameters[name]!.dims, values) }
    for node in segment.inputs where targets.inputs.contains(node) {
      found.inputs[node] = read(cotangent(node), of: node)
    }
    return found
  }

  private func write(_ tensor: Tensor, to target: UnsafeMutablePointer<Float>, of node: Int) {
    precondition(Array(tensor.dims.dropFirst()) == dims(node), "\(graph.nodes[node].path): \(tensor.dims)")
    tensor.values.withUnsafeBufferPointer { values in
      for image in 0..<tensor.dims[0] {
        let offset = image * elementCount(node)
        copy(values.baseAddress! + offset, to: target + offset, node, ChannelsLast.write)
      }
    }
  }

  private func read(_ source: UnsafeMutablePointer<Float>, of node: Int) -> Tensor {
    var tensor = Tensor([count] + dims(node))
    tensor.values.withUnsafeMutableBufferPointer { values in
      for image in 0..<count {
        let offset = image * elementCount(node)
        copy(source + offset, to: values.baseAddress! + offset, node, ChannelsLast.read)
      }
    }
    return tensor
  }

  /// Images change their layout; everything else is laid out as the graph says.
  private func copy(
    _ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, _ node: Int,
    _ convert: (UnsafePointer<Float>, Int, Int, UnsafeMutablePointer<Float>) -> Void
  ) {
    if graph.nodes[node].shape.image != nil {
      convert(source, dims(node)[0], dims(node)[1] * dims(node)[2], target)
    } else {
      target.update(from: source, count: elementCount(node))
    }
  }
}
