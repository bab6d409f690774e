import Graphs
import Tensors

/// The configuration of diffusers' `UNet2DModel`: its config.json keys, defaults and meaning.
package struct UNet2DConfiguration: UNetConfiguration, Equatable {
  package static let className = "UNet2DModel"

  package enum TimeEmbedding: String, CaseIterable, Sendable { case positional, fourier, learned }
  package enum Resampling: String, CaseIterable, Sendable { case conv, resnet }
  /// How a residual block takes the time embedding: added after the first convolution, or as scale and shift of the
  /// second normalisation.
  package enum TimeScaleShift: String, CaseIterable, Sendable {
    case add = "default"
    case scaleShift = "scale_shift"
  }
  package enum ClassEmbedding: Sendable, Equatable {
    /// A learned row per class.
    case table(classes: Int)
    /// The label embedded like a timestep, by an embedding network of its own.
    case timestep(classes: Int)
    package var classes: Int {
      switch self {
      case .table(let classes), .timestep(let classes): classes
      }
    }
  }
  package enum DownBlock: String, CaseIterable, Sendable {
    case plain = "DownBlock2D"
    case attention = "AttnDownBlock2D"
    case resnet = "ResnetDownsampleBlock2D"
  }
  package enum UpBlock: String, CaseIterable, Sendable {
    case plain = "UpBlock2D"
    case attention = "AttnUpBlock2D"
    case resnet = "ResnetUpsampleBlock2D"
  }

  package var sampleSize: SampleSize? = nil
  package var inChannels = 3
  package var outChannels = 3
  /// Maps the input from [0, 1] to [-1, 1] first.
  package var centerInputSample = false
  package var timeEmbedding = TimeEmbedding.positional
  /// Width of the time embedding; nil: four times the first level's channels.
  package var timeEmbeddingDim: Int? = nil
  package var freqShift = 0.0
  package var flipSinToCos = true
  package var downBlocks: [DownBlock] = [.plain, .attention, .attention, .attention]
  package var hasMidBlock = true
  package var upBlocks: [UpBlock] = [.attention, .attention, .attention, .plain]
  package var blockOutChannels = [224, 448, 672, 896]
  package var layersPerBlock = 2
  /// Divides the outputs of the middle's residual and attention blocks.
  package var midBlockScaleFactor = 1.0
  /// 1: symmetric; 0: bottom and right only.
  package var downsamplePadding = 1
  package var downsampling = Resampling.conv
  package var upsampling = Resampling.conv
  /// Training only; kept so that a configuration survives being written.
  package var dropout = 0.0
  package var activation = Activation.silu
  /// Channels per attention head; nil: one head. A level has as many heads as fit whole, `channels / attentionHeadDim`.
  package var attentionHeadDim: Int? = 8
  package var normGroups = 32
  /// Groups of the middle attention's normalisation; nil: see `midAttentionGroups`.
  package var attentionNormGroups: Int? = nil
  package var normEpsilon = 1e-5
  package var timeScaleShift = TimeScaleShift.add
  package var addAttention = true
  package var classEmbedding: ClassEmbedding? = nil
  /// Rows of a learned time embedding.
  package var trainTimesteps: Int? = nil

  package init() {}

  // MARK: Derived

  package var levels: Int { blockOutChannels.count }
  package var timeEmbeddingWidth: Int { timeEmbeddingDim ?? 4 * blockOutChannels[0] }
  /// The middle's attention is normalised by `attn_norm_num_groups` groups; without that key by `norm_num_groups` when
  /// the time embedding is added, and not at all when it scales and shifts.
  package var midAttentionGroups: Int? { attentionNormGroups ?? (timeScaleShift == .add ? normGroups : nil) }

  // MARK: Writing

  package var encoded: ConfigurationValue {
    func optional(_ value: Int?) -> ConfigurationValue { value.map { .integer($0) } ?? .null }
    func list<E: RawRepresentable>(_ values: [E]) -> ConfigurationValue where E.RawValue == String {
      .list(values.map { .string($0.rawValue) })
    }
    var classEmbedType = ConfigurationValue.null
    if case .timestep = classEmbedding { classEmbedType = "timestep" }
    return [
      "_class_name": .string(Self.className),
      "sample_size": sampleSize.map { .list([.integer($0.height), .integer($0.width)]) } ?? .null,
      "in_channels": .integer(inChannels),
      "out_channels": .integer(outChannels),
      "center_input_sample": .bool(centerInputSample),
      "time_embedding_type": .string(timeEmbedding.rawValue),
      "time_embedding_dim": optional(timeEmbeddingDim),
      "freq_shift": .number(freqShift),
      "flip_sin_to_cos": .bool(flipSinToCos),
      "down_block_types": list(downBlocks),
      "mid_block_type": hasMidBlock ? .string(Self.midBlockName) : .null,
      "up_block_types": list(upBlocks),
      "block_out_channels": .list(blockOutChannels.map { .integer($0) }),
      "layers_per_block": .integer(layersPerBlock),
      "mid_block_scale_factor": .number(midBlockScaleFactor),
      "downsample_padding": .integer(downsamplePadding),
      "downsample_type": .string(downsampling.rawValue),
      "upsample_type": .string(upsampling.rawValue),
      "dropout": .number(dropout),
      "act_fn": .string(activation.rawValue),
      "attention_head_dim": optional(attentionHeadDim),
      "norm_num_groups": .integer(normGroups),
      "attn_norm_num_groups": optional(attentionNormGroups),
      "norm_eps": .number(normEpsilon),
      "resnet_time_scale_shift": .string(timeScaleShift.rawValue),
      "add_attention": .bool(addAttention),
      "class_embed_type": classEmbedType,
      "num_class_embeds": optional(classEmbedding?.classes),
      "num_train_timesteps": optional(trainTimesteps),
    ]
  }

  /// The one middle block there is.
  static let midBlockName = "UNetMidBlock2D"
}
