import Graphs
import Tensors

extension UNet2DConfiguration {
  /// Largest channel count, embedding width or class count a configuration may ask for: far above every published
  /// network, far below what would exhaust memory before a weight was read.
  static let largestWidth = 1 << 20
  static let largestImageSide = 1 << 14
  static let mostLevels = 15
  static let mostLayers = 64
  /// Classes of a "timestep" class embedding when the file gives no number: the customary length of a noise schedule.
  private static let defaultTimestepClasses = 1000

  /// Keys for which null has a meaning of its own; for all others it is refused, as `UNet2DModel` fails on it.
  private static let nullable: Set<String> = [
    "sample_size", "time_embedding_dim", "mid_block_type", "downsample_type", "upsample_type", "attention_head_dim",
    "attn_norm_num_groups", "class_embed_type", "num_class_embeds", "num_train_timesteps",
  ]

  /// Keys that diffusers writes beside the network's own and that do not describe it: training with an exponential
  /// moving average leaves its settings in the same file.
  private static let foreign: Set<String> = [
    "decay", "inv_gamma", "min_decay", "optimization_step", "power", "update_after_step", "use_ema_warmup",
  ]

  package static func decode(_ value: ConfigurationValue, file: String) throws(ConfigurationError) -> Self {
    let reader = ConfigurationReader(value, file: file)
    for key in reader.keys where key.hasPrefix("_") || foreign.contains(key) { reader.ignore(key) }
    let configuration = Self(reader)
    reader.reportNulls(in: configuration.encoded, but: nullable)
    configuration.check(reader)
    try reader.finish()
    return configuration
  }

  private init(_ reader: ConfigurationReader) {
    let width = 1...Self.largestWidth
    sampleSize = reader.sampleSize(largest: Self.largestImageSide)
    inChannels = reader.int("in_channels", default: inChannels, in: width)
    outChannels = reader.int("out_channels", default: outChannels, in: width)
    centerInputSample = reader.bool("center_input_sample", default: centerInputSample)
    timeEmbedding = reader.choice("time_embedding_type", default: timeEmbedding)
    // diffusers takes 0 for "not given", too.
    timeEmbeddingDim = reader.nullableInt("time_embedding_dim", default: nil, in: 0...Self.largestWidth)
      .flatMap { $0 == 0 ? nil : $0 }
    freqShift = reader.double("freq_shift", default: freqShift, in: -1e6...1e6)
    flipSinToCos = reader.bool("flip_sin_to_cos", default: flipSinToCos)
    downBlocks = reader.blocks("down_block_types", default: downBlocks)
    upBlocks = reader.blocks("up_block_types", default: upBlocks)
    hasMidBlock = Self.midBlock(reader)
    blockOutChannels = reader.ints("block_out_channels", default: blockOutChannels, in: width)
    layersPerBlock = reader.int("layers_per_block", default: layersPerBlock, in: 1...Self.mostLayers)
    midBlockScaleFactor = reader.double("mid_block_scale_factor", default: midBlockScaleFactor)
    downsamplePadding = reader.int("downsample_padding", default: downsamplePadding, in: 0...1)
    downsampling = reader.choice("downsample_type", default: downsampling)
    upsampling = reader.choice("upsample_type", default: upsampling)
    dropout = reader.double("dropout", default: dropout, in: 0...1)
    activation = reader.activation("act_fn", default: activation)
    attentionHeadDim = reader.nullableInt("attention_head_dim", default: attentionHeadDim, in: width)
    normGroups = reader.int("norm_num_groups", default: normGroups, in: width)
    attentionNormGroups = reader.nullableInt("attn_norm_num_groups", default: nil, in: width)
    normEpsilon = reader.double("norm_eps", default: normEpsilon, in: 0...1)
    timeScaleShift = reader.choice("resnet_time_scale_shift", default: timeScaleShift)
    addAttention = reader.bool("add_attention", default: addAttention)
    trainTimesteps = reader.nullableInt("num_train_timesteps", default: nil, in: width)
    classEmbedding = Self.classEmbedding(reader, trainTimesteps: trainTimesteps)
  }

  // MARK: Keys with rules of their own

  private static func midBlock(_ reader: ConfigurationReader) -> Bool {
    switch reader.value("mid_block_type") {
    case nil, .string(midBlockName): return true
    case .null: return false
    case .some(let other):
      reader.report("mid_block_type", "expected \"\(midBlockName)\" or null, found \(other.shown)")
      return true
    }
  }

  static func classEmbedding(_ reader: ConfigurationReader, trainTimesteps: Int?) -> ClassEmbedding? {
    let classes = reader.nullableInt("num_class_embeds", default: nil, in: 1...largestWidth)
    switch reader.value("class_embed_type") {
    case nil, .null: return classes.map { .table(classes: $0) }
    case .string("timestep"): return .timestep(classes: classes ?? trainTimesteps ?? defaultTimestepClasses)
    case .string("identity"):
      reader.report(
        "class_embed_type", "\"identity\" is not supported: it takes whole embedding vectors instead of class labels")
      return nil
    case .some(let other):
      reader.report("class_embed_type", "expected null or \"timestep\", found \(other.shown)")
      return nil
    }
  }

  // MARK: Values that must fit together

  private func check(_ reader: ConfigurationReader) {
    reader.checkLevels(
      [
        ("block_out_channels", blockOutChannels.count), ("down_block_types", downBlocks.count),
        ("up_block_types", upBlocks.count),
      ], most: Self.mostLevels)
    checkGroups(reader)
    checkHeads(reader)
    checkTime(reader)
    if midBlockScaleFactor == 0 { reader.report("mid_block_scale_factor", "0 divides nothing; leave it at 1") }
    if let sampleSize, reader.isSound("sample_size", "block_out_channels"),
      let problem = UNetPlan.sizeProblem(sampleSize, levels: levels)
    {
      reader.report("sample_size", problem)
    }
  }

  private func checkGroups(_ reader: ConfigurationReader) {
    guard reader.isSound("block_out_channels") else { return }
    reader.checkGroups(normGroups, of: blockOutChannels)
    if hasMidBlock, addAttention, reader.isSound("attn_norm_num_groups"), let groups = attentionNormGroups,
      let channels = blockOutChannels.last, channels % groups != 0
    {
      reader.report(
        "attn_norm_num_groups",
        "\(groups) groups do not divide block_out_channels[\(levels - 1)] = \(channels) of the middle block")
    }
  }

  private func checkHeads(_ reader: ConfigurationReader) {
    guard let width = attentionHeadDim,
      reader.isSound("attention_head_dim", "block_out_channels", "down_block_types", "up_block_types")
    else { return }
    for (level, channels) in blockOutChannels.enumerated() where channels < width {
      let attends =
        downBlocks[level] == .attention || upBlocks[levels - 1 - level] == .attention
        || (level == levels - 1 && hasMidBlock && addAttention)
      if attends {
        reader.report(
          "attention_head_dim", "heads of \(width) channels are wider than block_out_channels[\(level)] = \(channels)")
      }
    }
  }

  private func checkTime(_ reader: ConfigurationReader) {
    guard reader.isSound("time_embedding_type", "block_out_channels", "freq_shift") else { return }
    switch timeEmbedding {
    case .positional:
      if let width = blockOutChannels.first, width >= 2, Double(width / 2) == freqShift {
        reader.report("freq_shift", "\(freqShift) equals half of block_out_channels[0]: the frequencies are undefined")
      }
    case .learned where trainTimesteps == nil && reader.isSound("num_train_timesteps"):
      reader.report("num_train_timesteps", "missing; a \"learned\" time embedding has one row per training timestep")
    case .fourier, .learned: break
    }
    if case .timestep = classEmbedding, timeEmbedding != .positional {
      reader.report(
        "class_embed_type",
        "\"timestep\" is supported with \"positional\" time embeddings only, found \"\(timeEmbedding.rawValue)\"")
    }
  }
}
