import Graphs
import Tensors

/// The configuration of diffusers' `UNet2DConditionModel`: U-Nets whose levels look at a context through spatial transformers. Its
/// config.json keys, defaults and meaning, and one key of its own: `context_tokens`, how long a context is.
package struct UNet2DConditionConfiguration: UNetConfiguration, Equatable {
  package static let className = "UNet2DConditionModel"

  package enum DownBlock: String, CaseIterable, Sendable {
    case plain = "DownBlock2D"
    case transformer = "CrossAttnDownBlock2D"
    case resnet = "ResnetDownsampleBlock2D"
  }
  package enum UpBlock: String, CaseIterable, Sendable {
    case plain = "UpBlock2D"
    case transformer = "CrossAttnUpBlock2D"
    case resnet = "ResnetUpsampleBlock2D"
  }

  package var sampleSize: SampleSize? = nil
  package var inChannels = 4
  package var outChannels = 4
  /// Maps the input from [0, 1] to [-1, 1] first.
  package var centerInputSample = false
  package var flipSinToCos = true
  package var freqShift = 0.0
  package var downBlocks: [DownBlock] = [.transformer, .transformer, .transformer, .plain]
  package var hasMidBlock = true
  package var upBlocks: [UpBlock] = [.plain, .transformer, .transformer, .transformer]
  package var blockOutChannels = [320, 640, 1280, 1280]
  package var layersPerBlock = 2
  /// 1: symmetric; 0: bottom and right only.
  package var downsamplePadding = 1
  /// Divides the outputs of the middle's residual blocks.
  package var midBlockScaleFactor = 1.0
  /// Training only; kept so that a configuration survives being written.
  package var dropout = 0.0
  package var activation = Activation.silu
  package var normGroups = 32
  package var normEpsilon = 1e-5
  /// Width of the context's tokens.
  package var crossAttentionDim = 1280
  /// Transformer blocks of each level's transformers.
  package var transformerDepth = [1, 1, 1, 1]
  /// Attention heads of each level. The file calls them `attention_head_dim`, which they are in no version of diffusers.
  package var heads = [8, 8, 8, 8]
  /// How weight files store the transformers' projections: linear layers or 1x1 convolutions, which are the same function.
  package var linearProjection = false
  package var timeScaleShift = UNet2DConfiguration.TimeScaleShift.add
  package var classEmbedding: UNet2DConfiguration.ClassEmbedding? = nil
  /// The length of CLIP's texts unless the file says another.
  package var tokens = 77

  package init() {}

  package var levels: Int { blockOutChannels.count }

  package var contextTokens: Int? {
    get { tokens }
    set { if let newValue { tokens = newValue } }
  }

  package var encoded: ConfigurationValue {
    func list(_ values: [Int]) -> ConfigurationValue { .list(values.map { .integer($0) }) }
    var classEmbedType = ConfigurationValue.null
    if case .timestep = classEmbedding { classEmbedType = "timestep" }
    return [
      "_class_name": .string(Self.className),
      "sample_size": sampleSize.map { list([$0.height, $0.width]) } ?? .null,
      "in_channels": .integer(inChannels),
      "out_channels": .integer(outChannels),
      "center_input_sample": .bool(centerInputSample),
      "flip_sin_to_cos": .bool(flipSinToCos),
      "freq_shift": .number(freqShift),
      "down_block_types": .list(downBlocks.map { .string($0.rawValue) }),
      "mid_block_type": hasMidBlock ? .string(Self.midBlockName) : .null,
      "up_block_types": .list(upBlocks.map { .string($0.rawValue) }),
      "block_out_channels": list(blockOutChannels),
      "layers_per_block": .integer(layersPerBlock),
      "downsample_padding": .integer(downsamplePadding),
      "mid_block_scale_factor": .number(midBlockScaleFactor),
      "dropout": .number(dropout),
      "act_fn": .string(activation.rawValue),
      "norm_num_groups": .integer(normGroups),
      "norm_eps": .number(normEpsilon),
      "cross_attention_dim": .integer(crossAttentionDim),
      "transformer_layers_per_block": list(transformerDepth),
      "attention_head_dim": list(heads),
      "use_linear_projection": .bool(linearProjection),
      "resnet_time_scale_shift": .string(timeScaleShift.rawValue),
      "class_embed_type": classEmbedType,
      "num_class_embeds": classEmbedding.map { .integer($0.classes) } ?? .null,
      "context_tokens": .integer(tokens),
    ]
  }

  /// The one middle block there is.
  static let midBlockName = "UNetMidBlock2DCrossAttn"
}
