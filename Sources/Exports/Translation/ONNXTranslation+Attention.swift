import Graphs
import Tensors

extension ONNXTranslation {
  /// Scaled dot-product attention as two products with a softmax between them (Vaswani et al. 2017, section 3.2). The heads are an axis of
  /// their own; each operand of a product passes its quantiser where it enters the product.
  mutating func attention(_ node: Node, _ attention: Attention, _ x: [String]) -> String {
    let (path, heads) = (node.path, attention.heads)
    let shapes = node.inputs.map { graph.nodes[$0].shape }
    let (width, valueWidth) = (shapes[0].channels / heads, shapes[2].channels / heads)
    let keys = shapes[1].positions
    let names = ["queries", "keys", "values"].map { "\(path).\($0)" }
    let parts = zip(zip(x, shapes), names).map { operand, name in
      let (value, shape) = operand
      return onnx.reshape(value, [0, shape.positions, heads, shape.channels / heads], as: name + ".heads")
    }
    // Keys are turned, so that the product sums over their channels.
    let turned = zip(zip(parts, names), [[0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]]).map { part, axes in
      onnx.emit("Transpose", [part.0], as: part.1, [("perm", .integers(axes))])
    }
    let q = coded(turned[0], at: attention.queries, .heads(channels: width))
    let k = coded(turned[1], at: attention.keys, .heads(channels: keys), signed: true)
    let scores = onnx.emit("MatMul", [q, k], as: attention.scores)
    let scaled = onnx.emit("Mul", [scores, onnx.number(attention.scale)], as: attention.scores + ".scaled")
    let areNumerators = isQuantized && table.activations[attention.probabilities]?.areNumerators == true
    let weights =
      areNumerators
      ? numerators(scaled, as: path)
      : onnx.emit("Softmax", [scaled], as: path + ".probabilities", [("axis", .integer(-1))])
    let probabilities = coded(weights, at: attention.probabilities, .heads(channels: keys))
    let v = coded(turned[2], at: attention.valueOperand, .heads(channels: valueWidth), signed: true)
    var mixed = onnx.emit("MatMul", [probabilities, v], as: attention.values)
    if areNumerators {
      let sums = onnx.emit("ReduceSum", [probabilities, onnx.integers([-1])], as: path + ".sums")
      mixed = onnx.emit("Div", [mixed, sums], as: attention.values + ".normalized")
    }
    let rows = onnx.emit("Transpose", [mixed], as: path + ".rows", [("perm", .integers([0, 2, 1, 3]))])
    for site in [attention.queries, attention.keys, attention.probabilities, attention.valueOperand] {
      if table.activations[site]?.rows.contains(where: { $0.granularity != .perTensor }) == true, isQuantized {
        problem(node, "\(site) has more than one scale at a time")
      }
    }
    return onnx.reshape(rows, [0, node.shape.positions, node.shape.channels], as: path)
  }

  /// e^(score - the row's largest score): what is divided by its row's sum to be a probability.
  private mutating func numerators(_ scores: String, as path: String) -> String {
    let largest = onnx.emit("ReduceMax", [scores, onnx.integers([-1])], as: path + ".largest")
    let differences = onnx.emit("Sub", [scores, largest], as: path + ".differences")
    return onnx.emit("Exp", [differences], as: path + ".numerators")
  }
}
