import Graphs
import Tensors

/// Checkpoints of ermongroup/ddim and pesser/pytorch_diffusion. Their weights tell everything but the images' size.
enum DDIMCheckpoint: CheckpointFamily {
  static let name = "DDIM U-Net"
  static let landmarks = ["temb.dense.0.weight", "conv_in.weight", "down.0.block.0.conv1.weight", "conv_out.weight"]

  static func read(
    _ contents: CheckpointContents, document: CheckpointDocument?, options: CheckpointOptions
  ) throws -> CheckpointReading {
    let source = contents.network
    let weights = try Weights(source)
    let settings = try document.map { try DDIMSettings($0) }
    var resolver = HyperparameterResolver(file: document?.file, program: "ermongroup/ddim")
    for option in options.said where option != "--size" {
      resolver.report("\(option): a \(name) has one attention head of full width, in layers of their own")
    }
    let ch = resolver.settle("ch", inferred: weights.channels, configured: settings?.channels)
    let multipliers = weights.levelChannels.map { Double($0) / Double(weights.channels) }
    _ = resolver.settle("ch_mult", inferred: multipliers, configured: settings?.multipliers)
    _ = resolver.settle("num_res_blocks", inferred: weights.layers, configured: settings?.layers)
    _ = resolver.settle("in_channels", inferred: weights.inChannels, configured: settings?.inChannels)
    _ = resolver.settle("out_ch", inferred: weights.outChannels, configured: settings?.outChannels)
    if let channels = settings?.imageChannels {
      _ = resolver.settle("channels", inferred: weights.inChannels, configured: channels)
    }
    _ = resolver.settle("resamp_with_conv", inferred: weights.resampling, configured: settings?.resampling)
    _ = resolver.settle("conv_shortcut", inferred: weights.wideShortcut)
    let size = resolver.settle(
      "image_size", configured: settings?.size, given: options.size.map { ("--size", $0) },
      ask: "give --size HxW, or a configuration with --config FILE")
    if let size {
      let resolutions = AttentionResolutions(size: settings?.size ?? size, levels: weights.levelChannels.count)
      _ = resolver.settle(
        "attn_resolutions", inferred: resolutions.shown(weights.attentionLevels),
        configured: settings?.attention.map { resolutions.shown(resolutions.levels(of: $0)) })
      if let problem = UNetPlan.sizeProblem(size, levels: weights.levelChannels.count) {
        resolver.report("image_size: \(problem)")
      }
    }
    var processResolver = HyperparameterResolver(file: document?.file, program: "ermongroup/ddim")
    let process = (settings?.process ?? DDIMSettings.Process(nil)).settle(&processResolver)
    guard resolver.problems.isEmpty, let size, ch != nil else {
      throw CheckpointError.hyperparameters(file: source.label, family: name, problems: resolver.problems)
    }
    let configuration = DDIMUNetConfiguration(
      outline: UNetOutline(
        sampleSize: size, inChannels: weights.inChannels, outChannels: weights.outChannels,
        modelChannels: weights.channels, blockOutChannels: weights.levelChannels, layersPerBlock: weights.layers,
        attentionLevels: weights.attentionLevels),
      convolutionalResampling: weights.resampling ?? true, convolutionalShortcut: weights.wideShortcut ?? false)
    let problems = configuration.outline.problems
    if !problems.isEmpty {
      throw CheckpointError.structure(
        file: source.label, family: name, problems: problems.map { "\($0.key): \($0.text)" })
    }
    return CheckpointReading(
      family: name, configuration: configuration.asUNet2D ?? configuration, layout: layout(configuration),
      hyperparameters: resolver.settled + processResolver.settled,
      process: process.map { .stated($0) }
        ?? .unknown(.hyperparameters(file: source.label, family: name, problems: processResolver.problems)),
      unused: settings?.unused ?? [])
  }

  /// What names and shapes tell.
  private struct Weights {
    let channels: Int
    let levelChannels: [Int]
    let layers: Int
    let inChannels: Int
    let outChannels: Int
    let attentionLevels: [Int]
    /// Whether levels are joined by convolutions; nil for a single level.
    let resampling: Bool?
    /// Whether shortcuts are 3x3; nil without shortcuts.
    let wideShortcut: Bool?

    init(_ source: any WeightSource) throws {
      let shapes = WeightShapes(source, family: name)
      channels = shapes.dim("conv_in.weight", 0)
      inChannels = shapes.dim("conv_in.weight", 1)
      outChannels = shapes.dim("conv_out.weight", 0)
      let levels = shapes.count { "down.\($0).block.0.conv1.weight" }
      levelChannels = (0..<levels).map { shapes.dim("down.\($0).block.0.conv1.weight", 0) }
      layers = shapes.count { "down.0.block.\($0).conv1.weight" }
      attentionLevels = (0..<levels).filter { shapes.has("down.\($0).attn.0.q.weight") }
      resampling = levels > 1 ? shapes.has("down.0.downsample.conv.weight") : nil
      let narrow = shapes.has(suffix: ".nin_shortcut.weight")
      let wide = shapes.has(suffix: ".conv_shortcut.weight")
      wideShortcut = narrow || wide ? wide : nil
      try shapes.finish()
    }
  }

  // MARK: Names

  static func layout(_ configuration: DDIMUNetConfiguration) -> ModuleLayout {
    let (levels, layers) = (configuration.outline.blockOutChannels.count, configuration.outline.layersPerBlock)
    var modules = DDIMModules(shortcut: configuration.convolutionalShortcut ? "conv_shortcut" : "nin_shortcut")
    modules.add([("linear_1", "dense.0"), ("linear_2", "dense.1")], "time_embedding", "temb")
    modules.addDown(levels: levels, layers: layers)
    modules.addMiddle()
    modules.addUp(levels: levels, layers: layers + 1)
    return ModuleLayout(name: name, places: modules.places)
  }
}
