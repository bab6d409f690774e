import Graphs
import Tensors

/// What the configurations of DDIM's and OpenAI's U-Nets have in common: sizes, and which levels attend. Both programs fix 32
/// groups in every normalisation.
package struct UNetOutline: Sendable, Equatable {
  package static let normGroups = 32
  package static let largestWidth = 1 << 20
  static let largestImageSide = 1 << 14
  static let mostLevels = 15
  static let mostLayers = 64

  package var sampleSize: SampleSize
  package var inChannels: Int
  package var outChannels: Int
  /// Width of the sinusoids; the time embedding is four times as wide.
  package var modelChannels: Int
  /// Of each level, from the highest resolution to the lowest.
  package var blockOutChannels: [Int]
  /// Residual blocks of a level on the way down.
  package var layersPerBlock: Int
  /// Levels whose residual blocks are followed by attention, ascending; the middle always has one.
  package var attentionLevels: [Int]

  package init(
    sampleSize: SampleSize, inChannels: Int, outChannels: Int, modelChannels: Int, blockOutChannels: [Int],
    layersPerBlock: Int, attentionLevels: [Int]
  ) {
    self.sampleSize = sampleSize
    self.inChannels = inChannels
    self.outChannels = outChannels
    self.modelChannels = modelChannels
    self.blockOutChannels = blockOutChannels
    self.layersPerBlock = layersPerBlock
    self.attentionLevels = attentionLevels
  }

  /// Reads what `entries` wrote; every key must be there.
  init(_ reader: ConfigurationReader) {
    let sides = reader.ints("sample_size", in: 1...Self.largestImageSide)
    if sides.count != 2, reader.isSound("sample_size") {
      reader.report("sample_size", "expected height and width, found a list of \(sides.count)")
    }
    sampleSize = SampleSize(height: sides.first ?? 1, width: sides.last ?? 1)
    let width = 1...Self.largestWidth
    inChannels = reader.int("in_channels", in: width)
    outChannels = reader.int("out_channels", in: width)
    modelChannels = reader.int("model_channels", in: width)
    blockOutChannels = reader.ints("block_out_channels", in: width)
    layersPerBlock = reader.int("layers_per_block", in: 1...Self.mostLayers)
    attentionLevels = reader.ints("attention_levels", in: 0...(Self.mostLevels - 1))
    if reader.isSound("sample_size", "block_out_channels", "attention_levels") {
      for problem in problems { reader.report(problem.key, problem.text) }
    }
  }

  var entries: [ConfigurationValue.Entry] {
    [
      .init("sample_size", .list([.integer(sampleSize.height), .integer(sampleSize.width)])),
      .init("in_channels", .integer(inChannels)), .init("out_channels", .integer(outChannels)),
      .init("model_channels", .integer(modelChannels)),
      .init("block_out_channels", .list(blockOutChannels.map { .integer($0) })),
      .init("layers_per_block", .integer(layersPerBlock)),
      .init("attention_levels", .list(attentionLevels.map { .integer($0) })),
    ]
  }

  /// Why no network follows from these values, by key; empty when one does.
  var problems: [(key: String, text: String)] {
    var out: [(key: String, text: String)] = []
    let levels = blockOutChannels.count
    guard (1...Self.mostLevels).contains(levels) else {
      return [("block_out_channels", "expected 1 to \(Self.mostLevels) levels, found \(levels)")]
    }
    for (level, channels) in blockOutChannels.enumerated() where channels % Self.normGroups != 0 {
      out.append(
        ("block_out_channels[\(level)]", "\(Self.normGroups) groups do not divide \(channels) channels"))
    }
    // Half as many frequencies, of which the first differs from the last.
    if modelChannels % 2 != 0 || modelChannels < 4 {
      out.append(("model_channels", "expected an even number from 4 on, found \(modelChannels)"))
    }
    if attentionLevels != Array(Set(attentionLevels)).sorted() || attentionLevels.contains(where: { $0 >= levels }) {
      out.append(("attention_levels", "expected ascending levels below \(levels), found \(attentionLevels)"))
    }
    if let problem = UNetPlan.sizeProblem(sampleSize, levels: levels) { out.append(("sample_size", problem)) }
    return out
  }

  /// The levels, all alike but for channels and attention.
  func levels(_ resampling: UNetPlan.Resampling, down: AttentionStyle, up: AttentionStyle) -> [UNetPlan.Level] {
    blockOutChannels.enumerated().map { level, channels in
      let attends = attentionLevels.contains(level)
      return UNetPlan.Level(
        channels: channels, layers: layersPerBlock, downAttention: attends ? down : nil,
        upAttention: attends ? up : nil, downsampling: resampling, upsampling: resampling)
    }
  }
}
