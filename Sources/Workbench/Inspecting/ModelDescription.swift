import Diffusion
import Execution
import Formats
import Graphs
import Networks
import Quantization
import Tensors

/// What `inspect` says of a model, for people and for machines.
struct ModelDescription {
  private let source: ModelSource
  private let summary: GraphSummary
  /// By layer path: `integer` or `float`; nil for float models, empty where integers cannot execute the tables.
  private let arithmetics: [String: String]?
  private let firstStage: FirstStageDescription?

  init(_ source: ModelSource, compute: Compute) throws {
    self.source = source
    let sample = source.model.graph.imageShape
    firstStage = try source.pipeline.firstStage.map {
      try FirstStageDescription($0, latent: SampleSize(height: sample.height, width: sample.width))
    }
    summary = GraphSummary(source.model.graph)
    guard let quantized = source.quantized else {
      arithmetics = nil
      return
    }
    do {
      let executor = try IntegerExecutor(
        source.model, table: quantized.table, pool: compute.pool, kernels: compute.kernels)
      arithmetics = Dictionary(uniqueKeysWithValues: executor.arithmetics.map { ($0.path, $0.arithmetic) })
    } catch ExecutionError.unsupported {
      arithmetics = [:]
    }
  }

  private var graph: Graph { source.model.graph }

  /// Every layer and attention product.
  var layerList: LayerList { LayerList(source, arithmetics: arithmetics) }

  // MARK: For machines

  var entries: [ConfigurationValue.Entry] {
    var entries: [ConfigurationValue.Entry] = [
      .init("path", .string(source.path)), .init("kind", .string(source.quantized == nil ? "float" : "quantized")),
      .init("digest", .string(source.digest)), .init("network", source.network),
    ]
    entries.append(.init("components", .list(source.pipeline.components.map { .string($0) })))
    if let firstStage { entries.append(.init("first_stage", firstStage.value)) }
    entries += ScheduleDescription(source).entries
    entries += [
      .init("parameters", .integer(summary.parameterCount)),
      .init("multiply_accumulates", .integer(summary.multiplyAccumulates)),
      .init("weights_file_bytes", .integer(source.weightsFileBytes)),
      .init("blocks", .list(blocks)),
      .init("temporal_block", .list(summary.temporalMembers.map { .string($0) })),
    ]
    if let embedder = source.embedder {
      entries.append(
        .init(
          "conditioner",
          [
            "classes": .integer(embedder.table.dims[0]), "width": .integer(embedder.table.dims[1]),
            "unconditional_class": embedder.unconditional.map { .integer($0) } ?? .null,
          ]))
    }
    if let checkpoint = source.checkpoint { entries.append(.init("checkpoint", checkpoint.value)) }
    guard let quantized = source.quantized else { return entries }
    entries += [
      .init("recipe", quantized.recipe.encode()), .init("sampler", quantized.sampler),
      .init("steps", .list(quantized.steps.map { .number($0.timestep.value) })),
      .init("depends_on_step", .bool(quantized.dependsOnStep)),
      .init("layers", .list(layers.map(Self.value))),
      .init("lineage", lineage(quantized.lineage)),
    ]
    return entries
  }

  private func lineage(_ lineage: QuantizedModel.Lineage) -> ConfigurationValue {
    [
      "source_name": .string(lineage.sourceName), "source_digest": .string(lineage.sourceDigest),
      "calibration_digest": lineage.calibrationDigest.map { .string($0) } ?? .null, "program": .string(lineage.program),
    ]
  }

  // MARK: For people

  var text: String {
    let shape = graph.imageShape
    var lines = [
      "\(source.path): \(source.quantized == nil ? "float model" : "quantised model")",
      "network: \(className), \(firstStage == nil ? "images" : "latents") \(shape), \(classes)",
      "parameters: \(shown(count: summary.parameterCount)); weights file \(shown(bytes: source.weightsFileBytes))",
      "multiply-accumulates per image and step: \(shown(count: summary.multiplyAccumulates))",
    ]
    lines += ScheduleDescription(source).lines
    lines += [
      "digest: \(source.digest)"
    ]
    if let firstStage { lines += firstStage.lines }
    if let quantized = source.quantized { lines += quantizedLines(quantized) }
    if let checkpoint = source.checkpoint { lines += checkpoint.lines }
    lines += [
      "", blockTable.markdown, "",
      "temporal block (computed once per step): \(summary.temporalMembers.joined(separator: ", "))",
    ]
    if source.quantized != nil { lines += ["", layerTable.markdown] }
    return lines.joined(separator: "\n")
  }

  private var className: String {
    if case .string(let name)? = source.network["_class_name"] { name } else { "U-Net" }
  }

  private var classes: String {
    if let embedder = source.embedder {
      let (rows, width) = (embedder.table.dims[0], embedder.table.dims[1])
      return "\(rows) classes through a context of \(width) channels"
        + (embedder.unconditional.map { ", of which \($0) stands for none" } ?? "")
    }
    if let context = graph.conditioning.context {
      return "a context of \(context.tokens) tokens of \(context.width) channels"
    }
    return graph.classCount.map { "\($0) classes" } ?? "unconditional"
  }

  private func quantizedLines(_ quantized: QuantizedModel) -> [String] {
    let recipe = quantized.recipe
    let bits = { (bits: Int?) in bits.map(String.init) ?? "32" }
    let integerCount = layers.count { $0.arithmetic == "integer" }
    let lineage = quantized.lineage
    return [
      "recipe: \(recipe.method)\(Catalog.method(named: recipe.method).map { " (\($0.source))" } ?? ""), W\(bits(recipe.weights?.bits))A\(bits(recipe.activations?.bits)), "
        + "activation tables \(recipe.activationTables.rawValue)"
        + (recipe.splitInputs == .none ? "" : ", split inputs: \(recipe.splitInputs.rawValue)")
        + (quantized.table.features.isEmpty
          ? "" : ", \(quantized.table.features.count) of \(graph.temporalFeatures.count) temporal features kept")
        + (recipe.smoothing == nil ? "" : ", smoothed") + (recipe.correction == nil ? "" : ", predictions corrected"),
      "sampler: \(quantized.steps.count) steps"
        + (quantized.dependsOnStep ? " (its tables hold for these only)" : " (any sampler may be used)"),
      arithmetics?.isEmpty == true
        ? "arithmetic: simulation only; its tables cannot run in integers"
        : "arithmetic: \(integerCount) of \(layers.count) layers in integers, the others in float",
      "made from: \(printable(lineage.sourceName)) \(lineage.sourceDigest) by \(printable(lineage.program))",
    ]
  }

  // MARK: Blocks

  private var blocks: [ConfigurationValue] {
    summary.blocks.map { block in
      [
        "name": .string(block.name), "kind": .string(block.kind.rawValue), "parameters": .integer(block.parameterCount),
        "multiply_accumulates": .integer(block.multiplyAccumulates), "shape": .list(block.dims.map { .integer($0) }),
      ]
    }
  }

  private var blockTable: Table {
    var table = Table([("block", .left), ("kind", .left), ("parameters", .right), ("multiply-accumulates", .right)])
    for block in summary.blocks {
      table.add([
        block.name, block.kind.rawValue, shown(count: block.parameterCount), shown(count: block.multiplyAccumulates),
      ])
    }
    return table
  }

  // MARK: Layers of a quantised model

  /// Layers that run, without attention's products.
  private var layers: [LayerList.Row] {
    guard source.quantized != nil else { return [] }
    return layerList.rows.filter { !$0.isProduct && !$0.isIdle }
  }

  private static func value(_ layer: LayerList.Row) -> ConfigurationValue {
    [
      "path": .string(layer.path), "shape": .list(layer.dims.map { .integer($0) }),
      "weight_bits": layer.weightBits.map { .integer($0) } ?? .null,
      "input_bits": layer.inputBits.map { .integer($0) } ?? .null, "input_tables": .string(layer.inputTables),
      "arithmetic": .string(layer.arithmetic), "weight_bytes": .integer(layer.bytes),
    ]
  }

  private var layerTable: Table {
    var table = Table([
      ("layer", .left), ("shape", .left), ("weight", .right), ("input", .right), ("input ranges", .left),
      ("runs in", .left), ("bytes", .right),
    ])
    for layer in layers {
      let bits = { (bits: Int?) in bits.map { "\($0) bit" } ?? "float" }
      table.add([
        layer.path, layer.dims.map(String.init).joined(separator: "x"), bits(layer.weightBits), bits(layer.inputBits),
        layer.inputTables, layer.arithmetic, shown(count: layer.bytes),
      ])
    }
    return table
  }
}
