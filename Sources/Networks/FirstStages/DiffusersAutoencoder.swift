import Graphs
import Tensors

/// Reads config.json of diffusers' `AutoencoderKL` and `VQModel`. Keys that are missing take diffusers' defaults.
enum DiffusersAutoencoder {
  static let gaussianClass = "AutoencoderKL"
  static let codebookClass = "VQModel"

  private static let plainDown = "DownEncoderBlock2D"
  private static let attentionDown = "AttnDownEncoderBlock2D"
  private static let plainUp = "UpDecoderBlock2D"
  private static let attentionUp = "AttnUpDecoderBlock2D"
  /// Keys without a part in the networks: the size of training images, precision, tiling elsewhere.
  private static let idle = ["sample_size", "force_upcast", "lookup_from_codebook"]

  static func decode(_ value: ConfigurationValue, file: String) throws(ConfigurationError) -> AutoencoderConfiguration {
    let reader = ConfigurationReader(value, file: file)
    for key in reader.keys where key.hasPrefix("_") || idle.contains(key) { reader.ignore(key) }
    let isCodebook = value["_class_name"] == .string(codebookClass)
    let width = AutoencoderConfiguration.width
    let channels = reader.ints("block_out_channels", default: [64], in: width)
    let inner = reader.int("latent_channels", default: isCodebook ? 3 : 4, in: width)
    let embedded = isCodebook ? reader.optional("vq_embed_dim") { reader.int($0, in: width) } : nil
    let codes = isCodebook ? reader.int("num_vq_embeddings", default: 256, in: width) : nil
    let attention = attentionLevels(reader, levels: channels.count)
    let configuration = AutoencoderConfiguration(
      form: codes.map { .codebook(codes: $0) } ?? .gaussian,
      inChannels: reader.int("in_channels", default: 3, in: width),
      outChannels: reader.int("out_channels", default: 3, in: width), latentChannels: embedded ?? inner,
      innerChannels: inner, stemChannels: channels.first ?? 1, blockOutChannels: channels,
      layersPerBlock: reader.int("layers_per_block", default: 1, in: 1...UNetOutline.mostLayers),
      attentionLevels: attention, middleAttends: reader.bool("mid_block_add_attention", default: true),
      hasQuantConvolution: isCodebook || reader.bool("use_quant_conv", default: true),
      hasPostQuantConvolution: isCodebook || reader.bool("use_post_quant_conv", default: true),
      normGroups: reader.int("norm_num_groups", default: 32, in: width),
      activation: reader.activation("act_fn", default: .silu), scale: scale(reader, isCodebook))
    if isCodebook { refuse(reader, "norm_type", but: "group") }
    for key in ["latents_mean", "latents_std"] {
      if let found = reader.value(key), found != .null {
        reader.report(key, "expected null, found \(found.shown): statistics of each channel are not supported")
      }
    }
    configuration.report(to: reader)
    try reader.finish()
    return configuration
  }

  private static func scale(_ reader: ConfigurationReader, _ isCodebook: Bool) -> LatentScale {
    LatentScale(
      factor: reader.double("scaling_factor", default: 0.18215),
      shift: isCodebook ? 0 : reader.optional("shift_factor") { reader.double($0) } ?? 0)
  }

  /// Levels that attend, on both ways alike.
  private static func attentionLevels(_ reader: ConfigurationReader, levels: Int) -> [Int] {
    let down = blocks(reader, "down_block_types", plain: plainDown, attention: attentionDown, levels)
    let up = blocks(reader, "up_block_types", plain: plainUp, attention: attentionUp, levels)
    if down != up.map({ levels - 1 - $0 }).reversed(), reader.isSound("down_block_types", "up_block_types") {
      reader.report("up_block_types", "attention stands at other levels than in down_block_types")
    }
    return down
  }

  private static func blocks(
    _ reader: ConfigurationReader, _ key: String, plain: String, attention: String, _ levels: Int
  ) -> [Int] {
    let names = reader.strings(key, default: [plain])
    for (position, name) in names.enumerated() where name != plain && name != attention {
      reader.report("\(key)[\(position)]", "expected \(plain) or \(attention), found \"\(printable(name, limit: 60))\"")
    }
    if names.count != levels, reader.isSound(key, "block_out_channels") {
      reader.report(key, "expected \(levels) levels as in block_out_channels, found \(names.count)")
    }
    return names.indices.filter { names[$0] == attention }
  }

  private static func refuse(_ reader: ConfigurationReader, _ key: String, but only: String) {
    let found = reader.string(key, default: only)
    if found != only { reader.report(key, "expected \"\(only)\", found \"\(printable(found, limit: 60))\"") }
  }
}
