import Graphs
import Tensors

extension UNet2DConditionConfiguration {
  /// Keys of variants that are not supported, with the values that ask for none of them.
  private static let inert: [(key: String, values: [ConfigurationValue])] = [
    ("only_cross_attention", [false]), ("dual_cross_attention", [false]), ("addition_embed_type", []),
    ("encoder_hid_dim", []), ("encoder_hid_dim_type", []), ("reverse_transformer_layers_per_block", []),
    ("resnet_skip_time_act", [false]), ("resnet_out_scale_factor", [1]), ("time_embedding_type", ["positional"]),
    ("time_embedding_dim", []), ("time_embedding_act_fn", []), ("timestep_post_act", []), ("time_cond_proj_dim", []),
    ("conv_in_kernel", [3]), ("conv_out_kernel", [3]), ("attention_type", ["default"]),
    ("class_embeddings_concat", [false]), ("mid_block_only_cross_attention", [false]), ("cross_attention_norm", []),
  ]

  /// Keys that say nothing as long as those above are as they are, and how precisely others compute attention.
  private static let idle = [
    "addition_embed_type_num_heads", "addition_time_embed_dim", "projection_class_embeddings_input_dim",
    "upcast_attention",
  ]

  /// Reads a config.json. What `UNet2DModel` takes too is read as there.
  package static func decode(_ value: ConfigurationValue, file: String) throws(ConfigurationError) -> Self {
    let reader = ConfigurationReader(value, file: file)
    for key in reader.keys where key.hasPrefix("_") || idle.contains(key) { reader.ignore(key) }
    for (key, values) in inert {
      guard let found = reader.value(key), found != .null, !values.contains(found) else { continue }
      if case .list(let items) = found, items.allSatisfy(values.contains) { continue }
      let expected = (values + [.null]).map(\.shown).joined(separator: " or ")
      reader.report(key, "\(found.shown) is not supported, expected \(expected)")
    }
    let configuration = Self(reader)
    reader.reportNulls(
      in: configuration.encoded,
      but: ["sample_size", "mid_block_type", "class_embed_type", "num_class_embeds", "attention_head_dim"])
    configuration.check(reader)
    try reader.finish()
    return configuration
  }

  private init(_ reader: ConfigurationReader) {
    let width = 1...UNet2DConfiguration.largestWidth
    sampleSize = reader.sampleSize(largest: UNet2DConfiguration.largestImageSide)
    inChannels = reader.int("in_channels", default: inChannels, in: width)
    outChannels = reader.int("out_channels", default: outChannels, in: width)
    centerInputSample = reader.bool("center_input_sample", default: centerInputSample)
    flipSinToCos = reader.bool("flip_sin_to_cos", default: flipSinToCos)
    freqShift = reader.double("freq_shift", default: freqShift, in: -1e6...1e6)
    downBlocks = reader.blocks("down_block_types", default: downBlocks)
    upBlocks = reader.blocks("up_block_types", default: upBlocks)
    hasMidBlock = Self.midBlock(reader)
    blockOutChannels = reader.ints("block_out_channels", default: blockOutChannels, in: width)
    layersPerBlock = reader.int(
      "layers_per_block", default: layersPerBlock, in: 1...UNet2DConfiguration.mostLayers)
    downsamplePadding = reader.int("downsample_padding", default: downsamplePadding, in: 0...1)
    midBlockScaleFactor = reader.double("mid_block_scale_factor", default: midBlockScaleFactor)
    dropout = reader.double("dropout", default: dropout, in: 0...1)
    activation = reader.activation("act_fn", default: activation)
    normGroups = reader.int("norm_num_groups", default: normGroups, in: width)
    normEpsilon = reader.double("norm_eps", default: normEpsilon, in: 0...1)
    crossAttentionDim = reader.int("cross_attention_dim", default: crossAttentionDim, in: width)
    linearProjection = reader.bool("use_linear_projection", default: linearProjection)
    timeScaleShift = reader.choice("resnet_time_scale_shift", default: timeScaleShift)
    classEmbedding = UNet2DConfiguration.classEmbedding(reader, trainTimesteps: nil)
    tokens = reader.int("context_tokens", default: tokens, in: 1...LatentUNetConfiguration.mostTokens)
    transformerDepth = Self.perLevel(
      reader, "transformer_layers_per_block", default: 1, in: 1...LatentUNetConfiguration.mostDepth, levels)
    // diffusers takes `num_attention_heads` where it is there, and the misnamed key otherwise.
    let named = reader.value("num_attention_heads")
    let key = named == nil || named == .null ? "attention_head_dim" : "num_attention_heads"
    reader.ignore("attention_head_dim")
    heads = Self.perLevel(reader, key, default: 8, in: width, levels)
  }

  /// One number for all levels, or a list of one for each.
  private static func perLevel(
    _ reader: ConfigurationReader, _ key: String, default fallback: Int, in range: ClosedRange<Int>, _ levels: Int
  ) -> [Int] {
    if case .list = reader.value(key) { return reader.ints(key, in: range) }
    return [Int](repeating: reader.int(key, default: fallback, in: range), count: levels)
  }

  private static func midBlock(_ reader: ConfigurationReader) -> Bool {
    switch reader.value("mid_block_type") {
    case nil, .string(midBlockName): return true
    case .null: return false
    case .some(let other):
      reader.report("mid_block_type", "expected \"\(midBlockName)\" or null, found \(other.shown)")
      return true
    }
  }

  // MARK: Values that must fit together

  private func check(_ reader: ConfigurationReader) {
    let headKey = reader.value("num_attention_heads") ?? .null == .null ? "attention_head_dim" : "num_attention_heads"
    reader.checkLevels(
      [
        ("block_out_channels", levels), ("down_block_types", downBlocks.count), ("up_block_types", upBlocks.count),
        ("transformer_layers_per_block", transformerDepth.count), (headKey, heads.count),
      ], most: UNet2DConfiguration.mostLevels)
    reader.checkGroups(normGroups, of: blockOutChannels)
    if reader.isSound(headKey, "block_out_channels", "down_block_types", "up_block_types") {
      for (level, channels) in blockOutChannels.enumerated() where attends(level) && channels % heads[level] != 0 {
        reader.report(
          headKey, "\(heads[level]) heads do not divide the \(channels) channels of level \(level)")
      }
    }
    if let width = blockOutChannels.first, width >= 2, Double(width / 2) == freqShift, reader.isSound("freq_shift") {
      reader.report("freq_shift", "\(freqShift) equals half of block_out_channels[0]: the frequencies are undefined")
    }
    if midBlockScaleFactor == 0 { reader.report("mid_block_scale_factor", "0 divides nothing; leave it at 1") }
    if let sampleSize, reader.isSound("sample_size", "block_out_channels"),
      let problem = UNetPlan.sizeProblem(sampleSize, levels: levels)
    {
      reader.report("sample_size", problem)
    }
  }

  private func attends(_ level: Int) -> Bool {
    downBlocks[level] == .transformer || upBlocks[levels - 1 - level] == .transformer
      || (level == levels - 1 && hasMidBlock)
  }
}
