import Diffusion
import Graphs
import Tensors

/// Checkpoints of CompVis' latent diffusion programs: a U-Net, usually beside a first stage, a conditioner and buffers of the
/// schedule. The weights do not tell the heads, the latents' size and the process.
enum LatentCheckpoint: CheckpointFamily {
  static let name = "latent diffusion U-Net"
  static let landmarks = OpenAICheckpoint.landmarks
  private static let program = "latent-diffusion"

  /// Transformers, another network in the same container, or a configuration that says so.
  static func fits(_ contents: CheckpointContents, document: CheckpointDocument?) -> Bool {
    contents.network.entries.contains { $0.name.contains(".transformer_blocks.") }
      || ["first_stage_model", "cond_stage_model"].contains { contents.groups[$0] != nil }
      || document?.value["model"]?["params"] != nil
  }

  static func read(
    _ contents: CheckpointContents, document: CheckpointDocument?, options: CheckpointOptions
  ) throws -> CheckpointReading {
    let source = contents.network
    let weights = try OpenAIWeights(source, family: name)
    let settings = try document.map { try CompVisConfiguration($0) }
    var resolver = HyperparameterResolver(file: document?.file, program: program)
    let size = structure(weights, settings?.network, side: settings?.side, options, &resolver)
    let said = settings?.network.attention ?? AttentionSettings()
    var order: QKVOrder? = .legacy
    if weights.transformer == nil {
      order = said.order(options, &resolver)
    } else if options.qkvOrder != nil {
      resolver.report("--qkv-order: transformers have queries, keys and values in layers of their own")
    }
    let heads = said.heads(
      options, standard: nil, differsUpward: weights.transformer == nil, &resolver)
    let table = try classTable(contents, settings, options, &resolver)
    let context = context(weights, settings, table: table, &resolver)
    let scale = try scale(contents, settings, &resolver)
    var base: OpenAIUNetConfiguration?
    if let size, let heads {
      let made = weights.configuration(size: size, heads: heads)
      for problem in made.headProblems where weights.transformer == nil || problem.key != "num_heads_upsample" {
        resolver.report("\(problem.key): \(problem.text)")
      }
      base = made
    }
    guard resolver.problems.isEmpty, let base, let order else {
      throw CheckpointError.hyperparameters(file: source.label, family: name, problems: resolver.problems)
    }
    let problems = base.outline.problems
    if !problems.isEmpty {
      throw CheckpointError.structure(
        file: source.label, family: name, problems: problems.map { "\($0.key): \($0.text)" })
    }
    var processResolver = HyperparameterResolver(file: document?.file, program: program)
    var scheduler: ConfigurationValue?
    if let settings {
      scheduler = settings.process.settle(&processResolver)
    } else {
      processResolver.report(
        "linear_start, linear_end, timesteps: the weights do not tell them; \(HyperparameterResolver.askForProcess)")
    }
    var reading = CheckpointReading(
      family: name,
      configuration: weights.transformer.map { LatentUNetConfiguration(base: base, depth: $0.depth, context: context) }
        ?? base,
      layout: OpenAICheckpoint.layout(base, order, depth: weights.transformer?.depth),
      hyperparameters: resolver.settled + processResolver.settled,
      process: scheduler.map { .stated($0) }
        ?? .unknown(.hyperparameters(file: source.label, family: name, problems: processResolver.problems)),
      unused: settings?.unused ?? [])
    if context != nil, let table { reading.conditioner = table }
    if settings?.firstStage != nil || contents.groups["first_stage_model"] != nil {
      reading.latent = LatentSpace(scale: scale, firstStage: settings?.firstStage)
    }
    return reading
  }

  /// Everything but heads and context; the size, where somebody says it.
  private static func structure(
    _ weights: OpenAIWeights, _ settings: CompVisNetworkSettings?, side: Int?, _ options: CheckpointOptions,
    _ resolver: inout HyperparameterResolver
  ) -> SampleSize? {
    _ = resolver.settle("model_channels", inferred: weights.modelChannels, configured: settings?.channels)
    let size = resolver.settle(
      "image_size", configured: (side ?? settings?.side).map { SampleSize(height: $0, width: $0) },
      given: options.size.map { ("--size", $0) }, ask: "give --size HxW, or a configuration with --config FILE")
    let multipliers = weights.levelChannels.map { Double($0) / Double(weights.modelChannels) }
    _ = resolver.settle("channel_mult", inferred: multipliers, configured: settings?.multipliers)
    _ = resolver.settle("num_res_blocks", inferred: weights.layers, configured: settings?.layers)
    _ = resolver.settle("in_channels", inferred: weights.inChannels, configured: settings?.inChannels)
    _ = resolver.settle("out_channels", inferred: weights.outChannels, configured: settings?.outChannels)
    if weights.classes != nil || settings?.classes != nil {
      _ = resolver.settle("num_classes", inferred: weights.classes ?? 0, configured: settings?.classes)
    }
    _ = resolver.settle(
      "use_scale_shift_norm", inferred: weights.scalesAndShifts, configured: settings?.scalesAndShifts)
    _ = resolver.settle(
      "resblock_updown", inferred: weights.resampling == .residualBlock, configured: settings?.resamplesInBlocks)
    if weights.resampling != .residualBlock {
      _ = resolver.settle(
        "conv_resample", inferred: weights.resampling == .convolution, configured: settings?.resamplesByConvolution)
    }
    let factors = settings?.attentionFactors.map { factors in
      weights.levelChannels.indices.map { 1 << $0 }.filter(factors.contains)
    }
    _ = resolver.settle(
      "attention_resolutions", inferred: weights.attentionLevels.map { 1 << $0 }, configured: factors)
    _ = resolver.settle(
      "use_spatial_transformer", inferred: weights.transformer != nil, configured: settings?.hasTransformers)
    if let transformer = weights.transformer {
      _ = resolver.settle("transformer_depth", inferred: transformer.depth, configured: settings?.depth)
    }
    if let size, let problem = UNetPlan.sizeProblem(size, levels: weights.levelChannels.count) {
      resolver.report("image_size: \(problem)")
    }
    return size
  }

  // MARK: What stands beside the network

  /// The conditioner's table, where the container has one.
  private static func classTable(
    _ contents: CheckpointContents, _ settings: CompVisConfiguration?, _ options: CheckpointOptions,
    _ resolver: inout HyperparameterResolver
  ) throws -> ClassEmbedder? {
    guard let group = contents.groups["cond_stage_model"], let entry = group.entry(ClassTable.array),
      entry.dims.count == 2, entry.dims.allSatisfy({ $0 > 0 })
    else { return nil }
    var last = false
    if case .classes(let count, let width, let lastIsUnconditional)? = settings?.conditioner {
      _ = resolver.settle("n_classes", inferred: entry.dims[0], configured: count)
      _ = resolver.settle("embed_dim", inferred: entry.dims[1], configured: width)
      last = lastIsUnconditional
    } else if let settings {
      resolver.report(
        "cond_stage_config: \(settings.file) describes \(settings.conditioner.words), the weights have a table of classes"
      )
    }
    return ClassEmbedder(
      try ClassTable.rows(of: group),
      unconditional: unconditional(options.unconditional, of: entry.dims[0], isLast: last, &resolver))
  }

  /// The row that stands for no class.
  private static func unconditional(
    _ chosen: UnconditionalRow?, of classes: Int, isLast: Bool, _ resolver: inout HyperparameterResolver
  ) -> Int? {
    switch chosen {
    case .some(.none): return nil
    case .row(let row):
      if row < classes { return row }
      resolver.report("--unconditional \(row): the table has rows 0 to \(classes - 1)")
      return nil
    case nil: return isLast ? classes - 1 : nil
    }
  }

  /// What the transformers look at; nil where they look at the image, where there are none and where something is wrong.
  private static func context(
    _ weights: OpenAIWeights, _ settings: CompVisConfiguration?, table: ClassEmbedder?,
    _ resolver: inout HyperparameterResolver
  ) -> UNetPlan.Context? {
    guard let transformer = weights.transformer else { return nil }
    let configured = settings?.network.contextWidth
    let width: Int?
    switch transformer.context {
    case .none:
      if let configured {
        resolver.report("context_dim: \(settings?.file ?? "") says \(configured), the weights take no context")
      }
      return nil
    case .width(let found): width = resolver.settle("context_dim", inferred: found, configured: configured)
    case .either(let found):
      if table == nil, configured == nil, settings != nil { return nil }
      if table == nil, settings == nil {
        resolver.report(
          "context_dim: the weights do not tell whether they take a context of \(found) channels or none; "
            + "give a configuration with --config FILE")
        return nil
      }
      width = resolver.settle("context_dim", inferred: found, configured: configured)
    }
    guard let width else { return nil }
    if let table, table.table.dims[1] != width {
      resolver.report("context_dim: the network takes \(width), the conditioner's rows have \(table.table.dims[1])")
    }
    return UNetPlan.Context(tokens: table == nil ? settings?.conditioner.tokens ?? 77 : 1, width: width)
  }

  /// What latents are multiplied with: a buffer where training measured it, else what the configuration says, else one.
  private static func scale(
    _ contents: CheckpointContents, _ settings: CompVisConfiguration?, _ resolver: inout HyperparameterResolver
  ) throws -> Double {
    guard contents.groups["first_stage_model"] != nil || settings?.firstStage != nil else { return 1 }
    let stored = try contents.groups["buffers"].flatMap { buffers in
      try buffers.entry("scale_factor").map { _ in try buffers.read("scale_factor", rows: nil).doubles().first }
    }
    if let stored = stored ?? nil {
      if !(stored.isFinite && stored > 0) { resolver.report("scale_factor: the weights have \(stored)") }
      return resolver.settle("scale_factor", inferred: stored, configured: settings?.scale) ?? stored
    }
    if let scale = settings?.scale { return resolver.settle("scale_factor", configured: scale) ?? scale }
    return settings == nil ? 1 : resolver.settle("scale_factor", configured: nil, standard: 1) ?? 1
  }
}

extension CompVisConfiguration.Conditioner {
  /// Tokens of the context that it makes.
  fileprivate var tokens: Int {
    switch self {
    case .none, .classes: 1
    case .other(_, let tokens): tokens
    }
  }

  fileprivate var words: String {
    switch self {
    case .none: "no conditioner"
    case .classes: "a table of classes"
    case .other(let name, _): "a \(printable(name))"
    }
  }
}
