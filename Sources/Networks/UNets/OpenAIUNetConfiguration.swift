import Graphs
import Tensors

/// The U-Net of openai/improved-diffusion (Nichol & Dhariwal 2021) and openai/guided-diffusion (Dhariwal & Nichol 2021, section
/// 3): cosines before sines, attention of several heads, normalisations with epsilon 1e-5; a learned variance doubles the
/// output channels.
package struct OpenAIUNetConfiguration: UNetConfiguration, Equatable {
  package static let className = "OpenAIUNet"

  package enum Resampling: String, CaseIterable, Sendable {
    /// Strided convolutions down, copies and a convolution up.
    case convolution = "conv"
    /// Means down and copies up (`conv_resample` false).
    case plain = "pool"
    /// Residual blocks (`resblock_updown`).
    case residualBlock = "resnet"
  }

  package enum Heads: Sendable, Equatable {
    /// So many on the way down and in the middle, and on the way up (`num_heads`, `num_heads_upsample`).
    case count(Int, up: Int)
    /// So many channels each (`num_head_channels`).
    case width(Int)

    package var down: AttentionStyle.Heads {
      switch self {
      case .count(let count, _): .count(count)
      case .width(let width): .width(width)
      }
    }

    package var up: AttentionStyle.Heads {
      switch self {
      case .count(_, let count): .count(count)
      case .width(let width): .width(width)
      }
    }
  }

  package var outline: UNetOutline
  /// Channels of the first convolution: the model's, times the first multiplier in guided-diffusion.
  package var stemChannels: Int
  package var heads: Heads
  /// Whether the time embedding scales and shifts the second normalisation, or is added before it.
  package var timeScaleShift: UNet2DConfiguration.TimeScaleShift
  package var resampling: Resampling
  /// Number of classes; nil when unconditional.
  package var classes: Int?

  package init(
    outline: UNetOutline, stemChannels: Int, heads: Heads, timeScaleShift: UNet2DConfiguration.TimeScaleShift,
    resampling: Resampling, classes: Int?
  ) {
    self.outline = outline
    self.stemChannels = stemChannels
    self.heads = heads
    self.timeScaleShift = timeScaleShift
    self.resampling = resampling
    self.classes = classes
  }

  private static let epsilon: Float = 1e-5

  /// Always known: a checkpoint says it, or its user.
  package var sampleSize: SampleSize? {
    get { outline.sampleSize }
    set { if let newValue { outline.sampleSize = newValue } }
  }

  package static func decode(_ value: ConfigurationValue, file: String) throws(ConfigurationError) -> Self {
    let reader = ConfigurationReader(value, file: file)
    reader.ignore("_class_name")
    let configuration = Self(reader)
    try reader.finish()
    return configuration
  }

  /// Reads what `entries` wrote; every key must be there.
  init(_ reader: ConfigurationReader) {
    outline = UNetOutline(reader)
    classes = Self.optional(reader, "num_class_embeds")
    stemChannels = reader.int("stem_channels", in: 1...UNetOutline.largestWidth)
    heads = Self.heads(reader)
    timeScaleShift = reader.choice("resnet_time_scale_shift")
    resampling = reader.choice("resampling")
    if reader.isSound("block_out_channels", "attention_levels", "num_heads", "num_heads_upsample", "num_head_channels")
    {
      for problem in headProblems { reader.report(problem.key, problem.text) }
    }
  }

  /// Null where the file says null; the key must be there.
  static func optional(_ reader: ConfigurationReader, _ key: String) -> Int? {
    if reader.value(key) == .null { return nil }
    return reader.int(key, in: 1...UNetOutline.largestWidth)
  }

  private static func heads(_ reader: ConfigurationReader) -> Heads {
    let (down, up) = (optional(reader, "num_heads"), optional(reader, "num_heads_upsample"))
    switch (optional(reader, "num_head_channels"), down, up) {
    case (let width?, nil, nil): return .width(width)
    case (nil, let down?, let up?): return .count(down, up: up)
    default:
      reader.report(
        "num_head_channels", "expected either this or both num_heads and num_heads_upsample, the others null")
      return .count(1, up: 1)
    }
  }

  package var encoded: ConfigurationValue {
    .map([.init("_class_name", .string(Self.className))] + entries)
  }

  /// Every key but the class.
  var entries: [ConfigurationValue.Entry] {
    var (down, up, width): (ConfigurationValue, ConfigurationValue, ConfigurationValue) = (.null, .null, .null)
    switch heads {
    case .count(let count, let upCount): (down, up) = (.integer(count), .integer(upCount))
    case .width(let channels): width = .integer(channels)
    }
    return outline.entries + [
      .init("stem_channels", .integer(stemChannels)), .init("num_heads", down), .init("num_heads_upsample", up),
      .init("num_head_channels", width), .init("resnet_time_scale_shift", .string(timeScaleShift.rawValue)),
      .init("resampling", .string(resampling.rawValue)),
      .init("num_class_embeds", classes.map { .integer($0) } ?? .null),
    ]
  }

  /// Heads that do not divide the channels of an attention block, by key.
  var headProblems: [(key: String, text: String)] {
    var keys = ["num_heads", "num_heads_upsample"]
    if case .width = heads { keys = ["num_head_channels"] }
    let last = outline.blockOutChannels.count - 1
    var out: [(key: String, text: String)] = []
    for (key, rule) in zip(keys, [heads.down, heads.up]) {
      for (level, channels) in outline.blockOutChannels.enumerated()
      where (level == last || outline.attentionLevels.contains(level)) && !rule.divide(channels) {
        let found =
          switch rule {
          case .count(let n): "\(n) heads do";
          case .width(let n): "heads of \(n) channels do"
          }
        out.append((key, "\(found) not divide the \(channels) channels of level \(level)"))
      }
    }
    return out
  }

  package var plan: UNetPlan {
    func attention(_ heads: AttentionStyle.Heads) -> AttentionStyle {
      AttentionStyle(groups: UNetOutline.normGroups, epsilon: Self.epsilon, heads: heads)
    }
    let steps: UNetPlan.Resampling =
      switch resampling {
      case .convolution: .convolution
      case .plain: .plain
      case .residualBlock: .residualBlock
      }
    return UNetPlan(
      inChannels: outline.inChannels, outChannels: outline.outChannels,
      timeProjection: .sinusoidal(
        SinusoidalEmbedding(width: outline.modelChannels, flipSinToCos: true, frequencyShift: 0)),
      embeddingWidth: 4 * outline.modelChannels, classEmbedding: classes.map { .table(classes: $0) },
      style: ResidualStyle(
        groups: UNetOutline.normGroups, epsilon: Self.epsilon, activation: .silu, timeScaleShift: timeScaleShift),
      stemChannels: stemChannels,
      levels: outline.levels(steps, down: attention(heads.down), up: attention(heads.up)),
      middle: UNetPlan.Middle(attention: attention(heads.down), divisor: 1), downsamplePadding: 1)
  }
}
