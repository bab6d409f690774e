import Tensors

/// What a latent diffusion model's configuration says of its U-Net: `unet_config.params`.
struct CompVisNetworkSettings: Sendable {
  let side: Int?
  let channels: Int?
  let multipliers: [Double]?
  let layers: Int?
  /// Factors of reduction, 1, 2, 4, …, of the levels that attend.
  let attentionFactors: [Int]?
  let attention: AttentionSettings
  let inChannels: Int?
  let outChannels: Int?
  let classes: Int?
  let hasTransformers: Bool?
  let depth: Int?
  let contextWidth: Int?
  let scalesAndShifts: Bool?
  let resamplesInBlocks: Bool?
  let resamplesByConvolution: Bool?

  /// Keys of training and precision, and those that change nothing where heads divide the channels.
  private static let idle: Set<String> = [
    "use_checkpoint", "use_fp16", "use_bf16", "dropout", "legacy", "use_linear_in_transformer",
    "spatial_transformer_attn_type",
  ]
  /// Keys of variants that are not supported, with the values that ask for none of them.
  private static let inert: [(key: String, value: ConfigurationValue)] = [
    ("dims", 2), ("n_embed", .null), ("disable_self_attentions", .null), ("num_attention_blocks", .null),
    ("disable_middle_self_attn", false), ("adm_in_channels", .null),
  ]

  /// - Parameters: section: `unet_config`; unused: receives the keys without a meaning here.
  init(_ section: ConfigurationReader?, _ unused: inout [String]) {
    if let section, !section.string("target").hasSuffix("UNetModel") {
      section.report("target", "expected a UNetModel, found \(section.value("target")?.shown ?? "null")")
    }
    let reader = section?.map("params")
    if let section, reader == nil { section.report("params", "missing; expected a map") }
    let width = 1...UNetOutline.largestWidth
    func int(_ key: String, in range: ClosedRange<Int>) -> Int? {
      reader.flatMap { params in params.optional(key) { params.int($0, in: range) } }
    }
    func bool(_ key: String) -> Bool? { reader.flatMap { params in params.optional(key) { params.bool($0) } } }
    side = int("image_size", in: 1...UNetOutline.largestImageSide)
    channels = int("model_channels", in: width)
    multipliers = reader.flatMap { params in params.optional("channel_mult") { params.doubles($0) } }
    layers = int("num_res_blocks", in: 1...UNetOutline.mostLayers)
    attentionFactors = reader.flatMap { params in
      params.optional("attention_resolutions") { params.ints($0, in: width) }
    }
    attention = AttentionSettings(
      heads: int("num_heads", in: -1...UNetOutline.largestWidth),
      headsUpsample: int("num_heads_upsample", in: -1...UNetOutline.largestWidth),
      headChannels: int("num_head_channels", in: -1...UNetOutline.largestWidth),
      usesNewOrder: bool("use_new_attention_order"))
    inChannels = int("in_channels", in: width)
    outChannels = int("out_channels", in: width)
    classes = int("num_classes", in: width)
    hasTransformers = bool("use_spatial_transformer")
    depth = int("transformer_depth", in: 1...LatentUNetConfiguration.mostDepth)
    contextWidth = int("context_dim", in: width)
    scalesAndShifts = bool("use_scale_shift_norm")
    resamplesInBlocks = bool("resblock_updown")
    resamplesByConvolution = bool("conv_resample")
    guard let reader else { return }
    for key in reader.keys where Self.idle.contains(key) {
      reader.ignore(key)
      unused.append("model.params.unet_config.params.\(key)")
    }
    for (key, value) in Self.inert {
      guard let found = reader.value(key), found != .null, found != value else { continue }
      reader.report(key, "\(found.shown) is not supported, expected \(value.shown)")
    }
    for (key, count) in [
      ("num_heads", attention.heads), ("num_heads_upsample", attention.headsUpsample),
      ("num_head_channels", attention.headChannels),
    ] where count == 0 {
      reader.report(key, "expected -1 or a positive integer, found 0")
    }
  }
}
