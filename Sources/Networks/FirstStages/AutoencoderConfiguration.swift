import Graphs
import Tensors

/// The convolutional autoencoder of latent diffusion models: levels of residual blocks as in the pixel U-Nets of Ho et al. (2020),
/// without skip connections and without time. Its latents are those of a VQGAN (Esser et al. 2021) or of a variational autoencoder
/// (Rombach et al. 2022, App. G).
package struct AutoencoderConfiguration: FirstStageConfiguration, Equatable {
  package static let className = "Autoencoder"

  package var form: LatentForm
  /// Of the images that the encoder takes.
  package var inChannels: Int
  /// Of the images that the decoder gives.
  package var outChannels: Int
  /// Channels of latents (`embed_dim`).
  package var latentChannels: Int
  /// Channels between the latents' 1x1 convolutions and the networks (`z_channels`).
  package var innerChannels: Int
  /// Channels of the encoder's first convolution.
  package var stemChannels: Int
  /// Of each level, from the highest resolution to the lowest.
  package var blockOutChannels: [Int]
  /// Residual blocks of a level on the way down; one more on the way up.
  package var layersPerBlock: Int
  /// Levels whose residual blocks are followed by attention, ascending.
  package var attentionLevels: [Int]
  package var middleAttends: Bool
  /// Whether levels are joined by convolutions; otherwise means down and copies up.
  package var convolutionalResampling: Bool
  /// Whether 1x1 convolutions stand between the networks and the latents; without them both have the same channels.
  package var hasQuantConvolution: Bool
  package var hasPostQuantConvolution: Bool
  package var normGroups: Int
  package var activation: Activation
  package var scale: LatentScale?

  package init(
    form: LatentForm, inChannels: Int, outChannels: Int, latentChannels: Int, innerChannels: Int, stemChannels: Int,
    blockOutChannels: [Int], layersPerBlock: Int, attentionLevels: [Int] = [], middleAttends: Bool = true,
    convolutionalResampling: Bool = true, hasQuantConvolution: Bool = true, hasPostQuantConvolution: Bool = true,
    normGroups: Int = 32, activation: Activation = .silu, scale: LatentScale? = nil
  ) {
    self.form = form
    self.inChannels = inChannels
    self.outChannels = outChannels
    self.latentChannels = latentChannels
    self.innerChannels = innerChannels
    self.stemChannels = stemChannels
    self.blockOutChannels = blockOutChannels
    self.layersPerBlock = layersPerBlock
    self.attentionLevels = attentionLevels
    self.middleAttends = middleAttends
    self.convolutionalResampling = convolutionalResampling
    self.hasQuantConvolution = hasQuantConvolution
    self.hasPostQuantConvolution = hasPostQuantConvolution
    self.normGroups = normGroups
    self.activation = activation
    self.scale = scale
  }

  package var factor: Int { 1 << (blockOutChannels.count - 1) }
  package var imageChannels: (encoded: Int, decoded: Int) { (inChannels, outChannels) }
  /// Moments have two channels for each channel of the latents.
  var momentsPerChannel: Int { form == .gaussian ? 2 : 1 }

  // MARK: Reading and writing

  static let mostLevels = UNetOutline.mostLevels
  static let width = 1...UNetOutline.largestWidth

  package static func decode(_ value: ConfigurationValue, file: String) throws(ConfigurationError) -> Self {
    let reader = ConfigurationReader(value, file: file)
    reader.ignore("_class_name")
    let codes = reader.optional("codes") { reader.int($0, in: width) }
    let factor = reader.optional("scaling_factor") { reader.double($0) }
    let shift = reader.optional("shift_factor") { reader.double($0) }
    let configuration = Self(
      form: codes.map { .codebook(codes: $0) } ?? .gaussian, inChannels: reader.int("in_channels", in: width),
      outChannels: reader.int("out_channels", in: width), latentChannels: reader.int("latent_channels", in: width),
      innerChannels: reader.int("inner_channels", in: width), stemChannels: reader.int("stem_channels", in: width),
      blockOutChannels: reader.ints("block_out_channels", in: width),
      layersPerBlock: reader.int("layers_per_block", in: 1...UNetOutline.mostLayers),
      attentionLevels: reader.ints("attention_levels", in: 0...(mostLevels - 1)),
      middleAttends: reader.bool("mid_block_add_attention"), convolutionalResampling: reader.bool("resamp_with_conv"),
      hasQuantConvolution: reader.bool("use_quant_conv"),
      hasPostQuantConvolution: reader.bool("use_post_quant_conv"), normGroups: reader.int("norm_num_groups", in: width),
      activation: reader.choice("act_fn"), scale: factor.map { LatentScale(factor: $0, shift: shift ?? 0) })
    configuration.report(to: reader)
    try reader.finish()
    return configuration
  }

  package var encoded: ConfigurationValue {
    var codes = ConfigurationValue.null
    if case .codebook(let count) = form { codes = .integer(count) }
    return [
      "_class_name": .string(Self.className), "codes": codes, "in_channels": .integer(inChannels),
      "out_channels": .integer(outChannels), "latent_channels": .integer(latentChannels),
      "inner_channels": .integer(innerChannels), "stem_channels": .integer(stemChannels),
      "block_out_channels": .list(blockOutChannels.map { .integer($0) }), "layers_per_block": .integer(layersPerBlock),
      "attention_levels": .list(attentionLevels.map { .integer($0) }), "mid_block_add_attention": .bool(middleAttends),
      "resamp_with_conv": .bool(convolutionalResampling), "use_quant_conv": .bool(hasQuantConvolution),
      "use_post_quant_conv": .bool(hasPostQuantConvolution), "norm_num_groups": .integer(normGroups),
      "act_fn": .string(activation.rawValue), "scaling_factor": scale.map { .number($0.factor) } ?? .null,
      "shift_factor": scale.map { .number($0.shift) } ?? .null,
    ]
  }

  /// Why no network follows from these values, by key; empty when one does.
  var problems: [(key: String, text: String)] {
    var out: [(key: String, text: String)] = []
    let levels = blockOutChannels.count
    guard (1...Self.mostLevels).contains(levels) else {
      return [("block_out_channels", "expected 1 to \(Self.mostLevels) levels, found \(levels)")]
    }
    for (level, channels) in blockOutChannels.enumerated() where channels % normGroups != 0 {
      out.append(("block_out_channels[\(level)]", "\(normGroups) groups do not divide \(channels) channels"))
    }
    if stemChannels % normGroups != 0 {
      out.append(("stem_channels", "\(normGroups) groups do not divide \(stemChannels) channels"))
    }
    if attentionLevels != Array(Set(attentionLevels)).sorted() || attentionLevels.contains(where: { $0 >= levels }) {
      out.append(("attention_levels", "expected ascending levels below \(levels), found \(attentionLevels)"))
    }
    let isJoined = hasQuantConvolution && hasPostQuantConvolution
    if !isJoined, innerChannels != latentChannels {
      out.append(
        (
          "latent_channels",
          "\(latentChannels) beside inner_channels \(innerChannels), and no convolution stands between them"
        ))
    }
    if let scale, scale.factor == 0 { out.append(("scaling_factor", "expected a number that is not 0, found 0")) }
    return out
  }

  /// Records what is wrong with values that are sound one by one.
  func report(to reader: ConfigurationReader) {
    guard reader.isSound("block_out_channels", "norm_num_groups", "latent_channels") else { return }
    for problem in problems { reader.report(problem.key, problem.text) }
  }
}
