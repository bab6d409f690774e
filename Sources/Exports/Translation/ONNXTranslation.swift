import Diffusion
import Graphs
import Tensors

/// A network as an ONNX graph. Each operation has its translation in a switch over the closed enumeration; what a translation cannot say is
/// recorded with its place, and all of it is reported before a byte is written.
package struct ONNXTranslation {
  let model: Model
  let table: QuantizationTable
  let options: ONNXOptions
  let idle: Set<Int>
  var onnx: ONNXGraph
  /// The ONNX value that each translated node made.
  var values: [Int: String] = [:]
  var problems: [String] = []
  /// What has passed through a quantiser already, by the value that entered it.
  var coded: [String: [Coded]] = [:]
  /// The rows that a call reads of tables of each kind.
  var rowIndices: [ActivationQuantizers.Key: String] = [:]

  var graph: Graph { model.graph }
  var isQuantized: Bool { options.form == .quantized }

  /// A value behind a quantiser.
  struct Coded {
    let quantizers: ActivationQuantizers
    let isSigned: Bool
    let result: String
  }

  /// Translates a network.
  /// - Parameters:
  ///   - table: its codes and quantisers; empty for float networks.
  ///   - embedder: a table that turns labels into the contexts that the network takes; with it the file takes labels.
  ///   - path: what messages call the model.
  /// - Throws: `E-EXPORT-GRAPH` with everything that has no translation.
  package static func graph(
    of model: Model, table: QuantizationTable, embedder: ClassEmbedder? = nil, options: ONNXOptions, path: String
  ) throws(ExportError) -> ONNXGraph {
    var translation = ONNXTranslation(model: model, table: table, options: options)
    translation.inputs(embedder)
    for node in model.graph.nodes { translation.translate(node) }
    let output = model.graph.nodes[model.graph.output]
    translation.onnx.output(ONNXName.result, translation.value(of: output), dims: output.dims)
    if !translation.problems.isEmpty { throw .untranslated(path: path, problems: translation.problems) }
    return translation.onnx
  }

  private init(model: Model, table: QuantizationTable, options: ONNXOptions) {
    self.model = model
    self.table = table
    self.options = options
    idle = model.graph.idleNodes(keeping: table.features.keys)
    onnx = ONNXGraph(name: "halftone")
  }

  /// What the tables that are exported depend on.
  private var keys: [ActivationQuantizers.Key] {
    (isQuantized ? table.activations.values.map(\.key) : []) + table.features.values.map(\.key)
  }

  /// Declares the inputs that something reads, the sample first.
  private mutating func inputs(_ embedder: ClassEmbedder?) {
    let labelled = table.features.values.contains { if case .stepAndLabel = $0.key { true } else { false } }
    let nodes = graph.nodes.filter { $0.op.meaning == .sample } + graph.nodes.filter { $0.op.meaning != .sample }
    for node in nodes {
      guard case .input(let input) = node.op else { continue }
      let isRead =
        graph.consumers[node.index].contains { !idle.contains($0) } || node.index == graph.output
        || (input.meaning.isLabel && labelled)
      guard isRead else { continue }
      switch input.meaning {
      case .sample: values[node.index] = onnx.input(ONNXName.sample, .float, dims: input.shape.dims)
      case .timestep: values[node.index] = onnx.input(ONNXName.timestep, .float, dims: [])
      case .label: values[node.index] = onnx.input(ONNXName.label, .int64, dims: [])
      case .context:
        values[node.index] =
          embedder.map { embedded($0) } ?? onnx.input(ONNXName.context, .float, dims: input.shape.dims)
      case .vector: values[node.index] = onnx.input(input.name, .float, dims: input.shape.dims)
      }
    }
    let keys = keys
    if keys.contains(where: { $0 == .branch || $0 == .stepAndBranch }) {
      _ = onnx.input(ONNXName.branch, .int64, dims: [])
    }
    if keys.contains(where: { $0.rowsPerStep != nil }), options.steps?.count != 1 {
      _ = onnx.input(ONNXName.step, .int64, dims: nil)
    }
  }

  /// The contexts of labels, one token an image: the label's row of the table.
  private mutating func embedded(_ embedder: ClassEmbedder) -> String {
    let label = onnx.input(ONNXName.label, .int64, dims: [])
    let rows = embedder.table
    let table = onnx.floats("conditioner.embedding.weight", rows.dims) { rows.values }
    let row = onnx.emit("Gather", [table, label], as: "conditioner.row", [("axis", .integer(0))])
    return onnx.reshape(row, [0, 1, rows.dims[1]], as: ONNXName.context)
  }

  private mutating func translate(_ node: Node) {
    if let feature = table.features[node.path] {
      values[node.index] = kept(feature, node)
      return
    }
    if node.op.meaning != nil || idle.contains(node.index) { return }
    values[node.index] = operation(node, node.inputs.map { value(of: graph.nodes[$0]) })
  }

  /// The ONNX value of a node's result. A node without one is reported: something reads what nothing makes.
  mutating func value(of node: Node) -> String {
    if let known = values[node.index] { return known }
    problem(node, "something reads its result, and nothing makes it")
    return node.path
  }

  mutating func problem(_ node: Node, _ text: String) { problems.append("\(node.path): \(text)") }

  /// The values of a parameter that stays float, when they are asked for.
  func values(of name: String) -> @Sendable () -> [Float] {
    let parameters = model.parameters
    return { parameters[name]!.values }
  }

  /// A parameter that stays float as an array. - Parameter dims: nil for its own.
  mutating func array(_ name: String, dims: [Int]? = nil) -> String {
    onnx.floats(name, dims ?? graph.parameter(name)?.dims ?? [], values(of: name))
  }
}

extension GraphInput.Meaning {
  fileprivate var isLabel: Bool { if case .label = self { true } else { false } }
}

extension Shape {
  /// The axis of channels where the batch is the first axis.
  var channelAxis: Int {
    switch self {
    case .scalar: 0
    case .vector, .image, .scores: 1
    case .tokens: 2
    }
  }

  /// Dims, without the batch, of one number for each channel that spreads over everything else.
  var perChannel: [Int] { image.map { [$0.channels, 1, 1] } ?? [channels] }
}
