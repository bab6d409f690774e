import Diffusion
import Exports
import Graphs
import Networks
import Tensors
import TestSupport
import Testing

/// Networks as ONNX graphs: what the file says, read back by its messages. What runtimes compute from it is checked by
/// `make test-exports`.
@Suite struct ONNXTranslationTests {
  private func graph(
    _ model: Model, _ table: QuantizationTable = QuantizationTable(), embedder: ClassEmbedder? = nil,
    options: ONNXOptions
  ) throws -> ParsedGraph {
    try ParsedGraph(
      ONNXTranslation.graph(of: model, table: table, embedder: embedder, options: options, path: "model"))
  }

  private static func small() throws -> Model {
    let graph = try ModelFolderMaker.configuration().graph()
    return Model(graph: graph, parameters: ModelFolderMaker.parameters(of: graph))
  }

  @Test("every network is a whole graph, float and quantised", arguments: GoldenNetwork.all)
  func networksAreWhole(_ golden: GoldenNetwork) throws {
    let model = try golden.model()
    for (table, form) in [
      (QuantizationTable(), ONNXOptions.Form.float), (TableMaker.table(for: model), .quantized),
      (TableMaker.table(for: model, bits: 4, activationBits: 4, key: .step, rows: 3), .quantized),
    ] {
      let parsed = try graph(model, table, options: ONNXOptions(form: form))
      #expect(parsed.faults == [])
      #expect(parsed.graph.output.map(\.name) == ["y"])
      #expect(parsed.inputs.contains("x") && parsed.inputs.contains("step") == table.dependsOnStep)
    }
  }

  @Test func shapesAndVersionsAreSaid() throws {
    let model = try Self.small()
    let parsed = try ParsedGraph(
      ONNXTranslation.graph(of: model, table: QuantizationTable(), options: ONNXOptions(form: .float), path: "model"),
      metadata: [("halftone.model", "small")])
    #expect(parsed.model.opsetImport.map(\.version) == [21])
    #expect(parsed.model.irVersion == 10)
    #expect(parsed.model.metadataProps.map(\.key) == ["halftone.model"])
    let dims = parsed.graph.input.map { $0.type.tensorType.shape.dim.map { $0.dimParam + "\($0.dimValue)" } }
    #expect(dims == [["batch0", "1", "8", "8"], ["batch0"]])
    #expect(parsed.graph.input.map(\.type.tensorType.elemType) == [.float, .float])
  }

  @Test("weights' codes are the initialisers, around zero", arguments: [3, 4, 5, 8]) func codesAreInitialisers(
    _ bits: Int
  ) throws {
    let model = try Self.small()
    let table = TableMaker.table(for: model, bits: bits)
    for width in [ONNXOptions.WeightWidth.smallest, .byte] {
      let parsed = try graph(model, table, options: ONNXOptions(form: .quantized, weightWidth: width))
      let weight = try #require(table.weights["conv_in"])
      let array = try #require(parsed.arrays["conv_in.weight.codes"])
      #expect(array.dataType == (bits <= 4 && width == .smallest ? .int4 : .int8))
      #expect(array.dims == weight.dims.map(Int64.init))
      let centered = weight.codes.map { Int($0) - 1 << (bits - 1) }
      #expect(try parsed.integers("conv_in.weight.codes") == centered)
      #expect(try parsed.floats("conv_in.weight.scale") == weight.quantizer.scales)
      // A linear layer's matrix has its input channels first.
      let (path, linear) = try #require(table.weights.first { $0.value.dims.count == 2 })
      let (rows, columns) = (linear.dims[0], linear.dims[1])
      let turned = (0..<(rows * columns)).map {
        Int(linear.codes[$0 % rows * columns + $0 / rows]) - 1 << (bits - 1)
      }
      #expect(try parsed.integers("\(path).weight.codes") == turned)
      #expect(try parsed.integers("conv_in.weight.zero_point").allSatisfy { $0 == 0 })
    }
  }

  @Test func zeroPointsOfWeightsAreWritten() throws {
    let model = try Self.small()
    var table = TableMaker.table(for: model, bits: 4)
    let weight = try #require(table.weights["conv_in"])
    let zeros = weight.quantizer.zeroPoints.indices.map { $0 % 16 }
    table.weights["conv_in"] = QuantizedWeight(
      dims: weight.dims,
      quantizer: AffineQuantizer(
        bits: 4, granularity: .perChannel, scales: weight.quantizer.scales, zeroPoints: zeros), codes: weight.codes)
    let parsed = try graph(model, table, options: ONNXOptions(form: .quantized))
    #expect(try parsed.integers("conv_in.weight.zero_point") == zeros.map { $0 - 8 })
  }

  @Test func theFloatFormHasTheValuesOfCodes() throws {
    let model = try Self.small()
    let table = TableMaker.table(for: model, bits: 4)
    let parsed = try graph(model, table, options: ONNXOptions(form: .float))
    #expect(try parsed.floats("conv_in.weight") == table.weights["conv_in"]?.dequantized.values)
    #expect(parsed.nodes("QuantizeLinear").isEmpty && parsed.nodes("DequantizeLinear").isEmpty)
  }

  @Test func tablesByStepAreGathered() throws {
    let model = try Self.small()
    let table = TableMaker.table(for: model, key: .step, rows: 5)
    let site = Site(node: "conv_out", role: .input)
    let rows = try #require(table.activations[site]).rows
    let whole = try graph(model, table, options: ONNXOptions(form: .quantized))
    #expect(whole.inputs == ["x", "t", "step"])
    #expect(try whole.floats("\(site).scale") == rows.map { $0.scales[0] })
    #expect(try whole.integers("\(site).zero_point") == rows.map { $0.zeroPoints[0] })
    let gather = try #require(whole.producer(of: "\(site).step_scale"))
    #expect(gather.opType == "Gather" && gather.input == ["\(site).scale", "step"])
    // Part of them: the step is counted on from the first.
    let part = try graph(model, table, options: ONNXOptions(form: .quantized, steps: 2...3))
    #expect(try part.floats("\(site).scale") == rows[2...3].map { $0.scales[0] })
    #expect(part.producer(of: "step.row")?.opType == "Sub" && part.faults == [])
    // One of them: constants.
    let one = try graph(model, table, options: ONNXOptions(form: .quantized, steps: 3...3))
    #expect(one.inputs == ["x", "t"] && one.nodes("Gather").isEmpty && one.faults == [])
    #expect(try one.floats("\(site).scale") == [rows[3].scales[0]])
    #expect(one.arrays["\(site).scale"]?.dims == [])
  }

  @Test func rightOperandsAreSignedAndNarrowGridsClipped() throws {
    let model = try Self.small()
    let attention = try #require(model.graph.nodes.lazy.compactMap(\.op.facts.attention).first)
    let bytes = try graph(model, TableMaker.table(for: model), options: ONNXOptions(form: .quantized))
    #expect(bytes.arrays["\(attention.keys).zero_point"]?.dataType == .int8)
    #expect(try bytes.integers("\(attention.keys).zero_point") == [0])
    #expect(bytes.arrays["\(attention.queries).zero_point"]?.dataType == .uint8)
    #expect(bytes.nodes("Clip").isEmpty)
    let narrow = try graph(
      model, TableMaker.table(for: model, activationBits: 4), options: ONNXOptions(form: .quantized))
    #expect(narrow.nodes("Clip").count == narrow.nodes("QuantizeLinear").count)
    #expect(try narrow.floats("\(attention.keys).low") == [0.02 * -8])
    #expect(try narrow.floats("\(attention.keys).high") == [0.02 * 7])
  }

  @Test func numeratorsAreDividedByTheirSums() throws {
    let model = try Self.small()
    var table = TableMaker.table(for: model)
    for attention in model.graph.nodes.compactMap(\.op.facts.attention) {
      table.activations[attention.probabilities] = ActivationQuantizers(
        shared: AffineQuantizer(bits: 8, scale: 1 / 255, zeroPoint: 0), areNumerators: true)
    }
    let parsed = try graph(model, table, options: ONNXOptions(form: .quantized))
    #expect(parsed.faults == [] && parsed.nodes("Softmax").isEmpty)
    let attention = try #require(model.graph.nodes.lazy.compactMap(\.op.facts.attention).first)
    let division = try #require(parsed.producer(of: "\(attention.values).normalized"))
    #expect(division.input.first == attention.values)
    #expect(parsed.producer(of: try #require(division.input.last))?.input.first == "\(attention.probabilities)")
    // Float probabilities are those of a softmax.
    #expect(try !graph(model, table, options: ONNXOptions(form: .float)).nodes("Softmax").isEmpty)
  }

  @Test func rowsOfBranchesAreChosenByImage() throws {
    let model = try Self.small()
    var table = TableMaker.table(for: model)
    let site = Site(node: "conv_out", role: .input)
    let row = try #require(table.activations[site]).rows[0]
    let other = AffineQuantizer(bits: 8, scale: 0.5, zeroPoint: 3)
    table.activations[site] = ActivationQuantizers(key: .branch, rows: [row, other])
    let shared = try graph(model, table, options: ONNXOptions(form: .quantized))
    #expect(shared.inputs == ["x", "t", "branch"] && shared.faults == [])
    #expect(shared.arrays["\(site).scale"]?.dims == [2, 1, 1, 1])
    #expect(shared.producer(of: "\(site).row_scale")?.input.last == "branch")
    table.activations[site] = ActivationQuantizers(key: .stepAndBranch, rows: [row, other, other, row])
    let steps = try graph(model, table, options: ONNXOptions(form: .quantized))
    #expect(steps.inputs == ["x", "t", "branch", "step"] && steps.faults == [])
    let one = try graph(model, table, options: ONNXOptions(form: .quantized, steps: 1...1))
    #expect(one.inputs == ["x", "t", "branch"] && one.faults == [])
    #expect(try one.floats("\(site).scale") == [other.scales[0], row.scales[0]])
  }

  @Test func splitInputsAreSumsOfProducts() throws {
    let model = try Self.small()
    var table = TableMaker.table(for: model)
    let node = try #require(
      model.graph.nodes.first {
        $0.op.facts.isLayer && !model.graph.concatenationBoundaries(ofInputTo: $0, direct: true).isEmpty
      })
    guard case .conv2d(let convolution) = node.op else {
      Issue.record("\(node.path) is no convolution")
      return
    }
    let boundaries = model.graph.concatenationBoundaries(ofInputTo: node, direct: true)
    let taps = convolution.dims[2] * convolution.dims[3]
    let weight = TableMaker.quantized(
      try #require(model.parameters[convolution.weight]), bits: 8, boundaries: boundaries.map { $0 * taps })
    table.weights[node.path] = weight
    let site = Site(node: node.path, role: .input)
    table.activations[site] = ActivationQuantizers(
      shared: AffineQuantizer(
        bits: 8, granularity: .split(boundaries: boundaries), scales: [0.01, 0.03], zeroPoints: [100, 20]))
    let parsed = try graph(model, table, options: ONNXOptions(form: .quantized))
    #expect(parsed.faults == [])
    #expect(try parsed.floats("\(site).0.scale") == [0.01])
    #expect(try parsed.integers("\(site).\(boundaries[0]).zero_point") == [20])
    let second = "\(convolution.weight).\(boundaries[0])"
    let scales = weight.quantizer.scales
    let seconds = stride(from: 1, to: scales.count, by: 2).map { scales[$0] }
    #expect(try parsed.floats(second + ".scale") == seconds)
    let (rows, channels) = (convolution.dims[0], convolution.dims[1])
    let expected: [Int] = (0..<rows).flatMap { (row: Int) -> [Int] in
      let start = (row * channels + boundaries[0]) * taps
      return weight.codes[start..<((row + 1) * channels * taps)].map { Int($0) - 128 }
    }
    #expect(try parsed.integers(second + ".codes") == expected)
    #expect(parsed.producer(of: "\(node.path).sum.\(boundaries[0])")?.opType == "Add")
  }

  @Test func keptFeaturesAreTables() throws {
    let model = try Self.small()
    var table = QuantizationTable()
    for feature in model.graph.temporalFeatures {
      let node = model.graph.nodes[feature]
      table.features[node.path] = KeptFeature(
        key: .step, width: node.count, rows: .floats((0..<(3 * node.count)).map(Float.init)))
    }
    let parsed = try graph(model, table, options: ONNXOptions(form: .quantized))
    // Nobody reads the timestep then.
    #expect(parsed.inputs == ["x", "step"] && parsed.faults == [])
    let path = try #require(table.features.keys.first)
    #expect(parsed.arrays["\(path).feature"]?.dims.first == 3)
    #expect(parsed.nodes("Sin").isEmpty)
  }

  @Test func labelsOfAnEmbedderTakeTheContextsPlace() throws {
    var builder = GraphBuilder()
    let x = builder.sample(ImageShape(channels: 4, height: 2, width: 2))
    let context = builder.context(tokens: 1, width: 6)
    let tokens = builder.toTokens("tokens", x)
    let mixed = builder.attention(
      queries: tokens, keys: builder.linear("keys", context, out: 4), values: builder.linear("values", context, out: 4),
      heads: 2, scale: 0.5)
    let network = try builder.finish(output: builder.fromTokens("out", mixed, height: 2, width: 2))
    let model = Model(graph: network, parameters: ModelFolderMaker.parameters(of: network))
    let direct = try graph(model, options: ONNXOptions(form: .float))
    #expect(direct.inputs == ["x", "context"])
    let table = Tensor([3, 6], (0..<18).map(Float.init))
    let embedder = ClassEmbedder(table)
    let parsed = try graph(model, embedder: embedder, options: ONNXOptions(form: .float))
    #expect(parsed.inputs == ["x", "label"] && parsed.faults == [])
    #expect(try parsed.floats("conditioner.embedding.weight") == table.values)
  }

  @Test func whatHasNoTranslationIsNamed() throws {
    let model = try Self.small()
    var table = TableMaker.table(for: model)
    let attention = try #require(model.graph.nodes.first { $0.op.facts.attention != nil })
    let site = try #require(attention.op.facts.attention).queries
    let channels = try #require(model.graph.shape(at: site)).channels
    table.activations[site] = ActivationQuantizers(
      shared: AffineQuantizer(
        bits: 8, granularity: .perChannel, scales: [Float](repeating: 1, count: channels),
        zeroPoints: [Int](repeating: 0, count: channels)))
    #expect(
      throws: ExportError.untranslated(
        path: "model", problems: ["\(attention.path): \(site) has more than one scale at a time"])
    ) { try graph(model, table, options: ONNXOptions(form: .quantized)) }
    let error = ExportError.untranslated(path: "model", problems: ["a: b"])
    #expect(error.description == "error[E-EXPORT-GRAPH]: model has what an ONNX graph cannot say:\n  a: b")
  }

  @Test func filesThatNoReaderTakesAreRefusedBeforeTheyAreWritten() throws {
    var builder = GraphBuilder()
    let x = builder.sample(ImageShape(channels: 1, height: 1, width: 1))
    let wide = builder.conv2d("wide", x, out: 600_000_000, kernel: 1)
    let network = try builder.finish(output: wide)
    let model = Model(graph: network, parameters: [:], coded: Set(network.parameters.map(\.name)))
    let folder = try TemporaryFolder()
    let path = folder.file("large.onnx")
    // Arrays are made when they are written, so nothing of that size exists.
    let file = try ONNXFile(
      graph: ONNXTranslation.graph(
        of: model, table: QuantizationTable(), options: ONNXOptions(form: .float), path: "model"),
      metadata: [], program: "test")
    let size = try file.size()
    #expect(size > 4_800_000_000)
    #expect(throws: ExportError.size(path: path, bytes: size)) { try file.write(to: path) }
    #expect(
      ExportError.size(path: "m.onnx", bytes: 3_000_000_000).description == """
        error[E-EXPORT-SIZE]: m.onnx would have 3000000000 bytes, and readers of ONNX take at most 2147483647 in one file
        hint: export the codes of a quantised model (without --float), or fewer steps (--steps)
        """)
  }
}
