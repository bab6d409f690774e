import Graphs
import Tensors

/// Checkpoints of openai/improved-diffusion and openai/guided-diffusion. Their weights do not tell the heads, the order of
/// queries, keys and values, the images' size and the process.
enum OpenAICheckpoint: CheckpointFamily {
  static let name = "improved-diffusion or guided-diffusion U-Net"
  static let landmarks = [
    "time_embed.0.weight", "input_blocks.0.0.weight", "middle_block.0.in_layers.0.weight",
    "output_blocks.0.0.in_layers.0.weight", "out.2.weight",
  ]

  static func read(
    _ contents: CheckpointContents, document: CheckpointDocument?, options: CheckpointOptions
  ) throws -> CheckpointReading {
    let source = contents.network
    let weights = try OpenAIWeights(source)
    let flags = try document.map { try OpenAIFlags($0) }
    let program = flags?.program?.rawValue ?? "improved-diffusion and guided-diffusion"
    var resolver = HyperparameterResolver(file: document?.file, program: program)
    let structure = Structure(weights, flags, options, &resolver)
    let said = AttentionSettings(
      heads: flags?.heads, headsUpsample: flags?.headsUpsample, headChannels: flags?.headChannels,
      usesNewOrder: flags?.usesNewOrder)
    let order = said.order(options, &resolver)
    let heads = said.heads(options, standard: 4, &resolver)
    var processResolver = HyperparameterResolver(file: document?.file, program: program)
    let scheduler = process(weights, flags, &processResolver)
    var configuration: OpenAIUNetConfiguration?
    if let size = structure.size, let heads {
      let made = weights.configuration(size: size, heads: heads)
      for problem in made.headProblems { resolver.report("\(problem.key): \(problem.text)") }
      configuration = made
    }
    guard resolver.problems.isEmpty, let configuration, let order else {
      throw CheckpointError.hyperparameters(file: source.label, family: name, problems: resolver.problems)
    }
    let problems = configuration.outline.problems
    if !problems.isEmpty {
      throw CheckpointError.structure(
        file: source.label, family: name, problems: problems.map { "\($0.key): \($0.text)" })
    }
    return CheckpointReading(
      family: name, configuration: configuration, layout: layout(configuration, order),
      hyperparameters: resolver.settled + processResolver.settled,
      process: scheduler.map { .stated($0) }
        ?? .unknown(.hyperparameters(file: source.label, family: name, problems: processResolver.problems)),
      unused: unused(weights, flags))
  }

  /// Flags without a meaning here, and those that only another network gives one.
  private static func unused(_ weights: OpenAIWeights, _ flags: OpenAIFlags?) -> [String] {
    guard let flags else { return [] }
    return flags.unused + (weights.classes == nil && flags.classes != nil ? ["num_classes"] : [])
      + (weights.learnsVariance && flags.takesSmallVariance != nil ? ["sigma_small"] : [])
  }

  // MARK: What weights, flags and options say together

  /// Everything but the attention's heads.
  private struct Structure {
    let size: SampleSize?

    init(
      _ weights: OpenAIWeights, _ flags: OpenAIFlags?, _ options: CheckpointOptions,
      _ resolver: inout HyperparameterResolver
    ) {
      _ = resolver.settle("num_channels", inferred: weights.modelChannels, configured: flags?.channels)
      let size = resolver.settle(
        "image_size", configured: flags?.size, given: options.size.map { ("--size", $0) },
        standard: SampleSize(height: 64, width: 64), ask: "give --size HxW, or a configuration with --config FILE")
      let multipliers = weights.levelChannels.map { Double($0) / Double(weights.modelChannels) }
      _ = resolver.settle("channel_mult", inferred: multipliers, configured: flags?.multipliers)
      _ = resolver.settle("num_res_blocks", inferred: weights.layers, configured: flags?.layers)
      _ = resolver.settle("in_channels", inferred: weights.inChannels, configured: flags?.inChannels)
      _ = resolver.settle("learn_sigma", inferred: weights.learnsVariance, configured: flags?.learnsVariance)
      _ = resolver.settle("class_cond", inferred: weights.classes != nil, configured: flags?.isConditional)
      if let classes = weights.classes {
        _ = resolver.settle("num_classes", inferred: classes, configured: flags?.classes)
      }
      _ = resolver.settle("use_scale_shift_norm", inferred: weights.scalesAndShifts, configured: flags?.scalesAndShifts)
      _ = resolver.settle(
        "resblock_updown", inferred: weights.resampling == .residualBlock, configured: flags?.resamplesInBlocks)
      if weights.resampling != .residualBlock {
        _ = resolver.settle(
          "conv_resample", inferred: weights.resampling == .convolution, configured: flags?.resamplesByConvolution)
      }
      self.size = size
      guard let size else { return }
      let resolutions = AttentionResolutions(size: flags?.size ?? size, levels: weights.levelChannels.count)
      _ = resolver.settle(
        "attention_resolutions", inferred: resolutions.shown(weights.attentionLevels),
        configured: flags?.attention.map { resolutions.shown(resolutions.levels(dividingBy: $0)) })
      if let problem = UNetPlan.sizeProblem(size, levels: weights.levelChannels.count) {
        resolver.report("image_size: \(problem)")
      }
    }
  }

  /// The process, as a scheduler's configuration.
  private static func process(
    _ weights: OpenAIWeights, _ flags: OpenAIFlags?, _ resolver: inout HyperparameterResolver
  ) -> ConfigurationValue? {
    let ask = HyperparameterResolver.askForProcess
    let timesteps = resolver.settle("diffusion_steps", configured: flags?.timesteps, standard: 1000, ask: ask)
    let curve = resolver.settle(
      "noise_schedule", configured: flags?.schedule, standard: OpenAIFlags.Schedule.linear.rawValue, ask: ask)
    let predictsImage = resolver.settle("predict_xstart", configured: flags?.predictsImage, standard: false, ask: ask)
    guard let timesteps, let curve, let predictsImage else { return nil }
    // With 1000 steps both answers mean the same.
    let rescales =
      timesteps == 1000
      ? false
      : resolver.settle(
        "rescale_timesteps", configured: flags?.rescalesTimesteps, standard: flags?.program.map { $0 == .improved },
        ask: "improved-diffusion's default is True, guided-diffusion's False; say it in the configuration")
    guard let rescales else { return nil }
    // A learned variance lies between the two fixed ones; which of them is taken without is a flag of improved-diffusion.
    var variance = "learned_range"
    if !weights.learnsVariance {
      let small = resolver.settle("sigma_small", configured: flags?.takesSmallVariance, standard: false)
      variance = small == true ? "fixed_small" : "fixed_large"
    }
    var settings: [(String, ConfigurationValue)] = [
      ("_class_name", "DDIMScheduler"), ("num_train_timesteps", .integer(timesteps)), ("clip_sample", true),
      ("prediction_type", predictsImage ? "sample" : "epsilon"), ("variance_type", .string(variance)),
    ]
    if curve == OpenAIFlags.Schedule.cosine.rawValue {
      settings.append(("beta_schedule", "squaredcos_cap_v2"))
    } else {
      // The schedule of Ho et al. 2020 spread over other numbers of steps.
      let scale = 1000 / Double(timesteps)
      settings += [
        ("beta_schedule", "linear"), ("beta_start", .number(scale * 1e-4)), ("beta_end", .number(scale * 0.02)),
      ]
    }
    if rescales { settings.append(("rescale_timesteps", true)) }
    // Both programs' DDIM goes on with the noise that leads to the clipped image.
    settings.append(("use_clipped_model_output", true))
    return .map(settings.map { .init($0.0, $0.1) })
  }
}
