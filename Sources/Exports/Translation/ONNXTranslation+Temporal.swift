import Graphs
import Tensors

/// Functions of the timestep, the label and the sampling step.
extension ONNXTranslation {
  /// sin and cos of t f_j (Vaswani et al. 2017, section 3.5), with the frequencies as an array.
  mutating func sinusoids(_ node: Node, _ embedding: SinusoidalEmbedding, _ number: String) -> String {
    let frequencies = onnx.floats(node.path + ".frequencies", [embedding.width / 2]) { embedding.frequencies }
    let angles = onnx.emit("Mul", [column(number, of: node), frequencies], as: node.path + ".angles")
    let isOdd = embedding.width % 2 == 1
    let even = arranged(node, angles, embedding.flipSinToCos, as: isOdd ? node.path + ".even" : node.path)
    return isOdd ? onnx.emit("Pad", [even, onnx.integers([0, 0, 0, 1])], as: node.path) : even
  }

  /// sin and cos of 2 pi w ln t (Song et al. 2021, appendix C).
  mutating func fourier(_ node: Node, _ weight: String, _ flipSinToCos: Bool, _ number: String) -> String {
    let logarithm = onnx.emit("Log", [column(number, of: node)], as: node.path + ".logarithm")
    let turns = onnx.emit("Mul", [logarithm, array(weight)], as: node.path + ".turns")
    let angles = onnx.emit("Mul", [turns, onnx.number(2 * Float(Double.pi))], as: node.path + ".angles")
    return arranged(node, angles, flipSinToCos, as: node.path)
  }

  private mutating func arranged(_ node: Node, _ angles: String, _ flipSinToCos: Bool, as name: String) -> String {
    let sines = onnx.emit("Sin", [angles], as: node.path + ".sines")
    let cosines = onnx.emit("Cos", [angles], as: node.path + ".cosines")
    return onnx.emit(
      "Concat", flipSinToCos ? [cosines, sines] : [sines, cosines], as: name, [("axis", .integer(1))])
  }

  /// One number an image, [N], as a column of Floats, [N, 1].
  private mutating func column(_ number: String, of node: Node) -> String {
    let isLabel = graph.nodes[node.inputs[0]].op.meaning != .timestep
    // 1 is ONNX's number for F32.
    let float = isLabel ? onnx.emit("Cast", [number], as: node.path + ".float", [("to", .integer(1))]) : number
    return onnx.reshape(float, [-1, 1], as: node.path + ".column")
  }

  /// A row of a learned table for each image.
  mutating func row(_ node: Node, of table: String, _ number: String) -> String {
    let isLabel = graph.nodes[node.inputs[0]].op.meaning != .timestep
    // 7 is ONNX's number for I64.
    let index = isLabel ? number : onnx.emit("Cast", [number], as: node.path + ".index", [("to", .integer(7))])
    return onnx.emit("Gather", [array(table), index], as: node.path, [("axis", .integer(0))])
  }

  /// A kept temporal feature: a row of its table, the same for every image of a call or one by each image's label.
  mutating func kept(_ feature: KeptFeature, _ node: Node) -> String {
    let steps = selected(feature.key, count: feature.rowCount)
    let row = tableRow(feature.key, rowCount: steps.count, as: node.path + ".row") { _ in
      .floats(node.path + ".feature", [steps.count, feature.width]) { steps.flatMap(feature.values(ofRow:)) }
    }
    return onnx.reshape(row, [-1, feature.width], as: node.path)
  }

  // MARK: Rows of tables

  /// The rows that the file's steps read, of all rows of a table.
  func selected(_ key: ActivationQuantizers.Key, count: Int) -> Range<Int> {
    guard let steps = options.steps, let each = key.rowsPerStep else { return 0..<count }
    return (steps.lowerBound * each)..<min((steps.upperBound + 1) * each, count)
  }

  /// The row that a call reads of a table. A single row is no table.
  /// - Parameters: name: of the row; array: makes the table, given whether there are several rows.
  mutating func tableRow(
    _ key: ActivationQuantizers.Key, rowCount: Int, as name: String, _ array: (_ isTable: Bool) -> ONNXInitializer
  ) -> String {
    let table = onnx.add(array(rowCount > 1))
    if rowCount == 1 { return table }
    return onnx.emit("Gather", [table, rowIndex(key)], as: name, [("axis", .integer(0))])
  }

  /// Which row a call reads: one number for tables by step, one an image where the label or the branch of guidance counts.
  private mutating func rowIndex(_ key: ActivationQuantizers.Key) -> String {
    if let known = rowIndices[key] { return known }
    let index: String
    switch key {
    case .shared: index = onnx.integer(0)
    case .step:
      let first = options.steps?.lowerBound ?? 0
      index =
        first == 0 ? ONNXName.step : onnx.emit("Sub", [ONNXName.step, onnx.integer(first)], as: "step.row")
    case .branch: index = ONNXName.branch
    case .stepAndLabel: index = rowIndex(ofEach: ONNXName.label, key)
    case .stepAndBranch: index = rowIndex(ofEach: ONNXName.branch, key)
    }
    rowIndices[key] = index
    return index
  }

  /// The row of each image in a table by step and what `input` counts.
  private mutating func rowIndex(ofEach input: String, _ key: ActivationQuantizers.Key) -> String {
    guard let each = key.rowsPerStep, options.steps?.count != 1 else { return input }
    let start = onnx.emit("Mul", [rowIndex(.step), onnx.integer(each)], as: "step.first_row_\(input)")
    return onnx.emit("Add", [input, start], as: "step.row_\(input)")
  }
}
