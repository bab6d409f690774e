import Graphs
import Tensors

/// What names and shapes of an improved- or guided-diffusion checkpoint tell, or of latent diffusion, whose network is theirs
/// with transformers in it.
struct OpenAIWeights {
  /// What the transformers of a checkpoint tell of themselves.
  struct Transformer: Equatable {
    enum Context: Equatable {
      /// Second attentions look at the image again.
      case none
      case width(Int)
      /// The same shapes would come of a context of so many channels and of none.
      case either(Int)
    }
    let depth: Int
    let context: Context
  }

  let modelChannels: Int
  let stemChannels: Int
  let levelChannels: [Int]
  let layers: Int
  let attentionLevels: [Int]
  let inChannels: Int
  let outChannels: Int
  let classes: Int?
  let scalesAndShifts: Bool
  let resampling: OpenAIUNetConfiguration.Resampling
  /// nil where attention is plain.
  let transformer: Transformer?

  var learnsVariance: Bool { outChannels == 2 * inChannels }

  /// - Parameter family: what messages call it.
  init(_ source: any WeightSource, family: String = OpenAICheckpoint.name) throws {
    let shapes = WeightShapes(source, family: family)
    modelChannels = shapes.dim("time_embed.0.weight", 1)
    stemChannels = shapes.dim("input_blocks.0.0.weight", 0)
    inChannels = shapes.dim("input_blocks.0.0.weight", 1)
    outChannels = shapes.dim("out.2.weight", 0)
    classes = shapes.has("label_emb.weight") ? shapes.dim("label_emb.weight", 0) : nil
    // Every output block begins with a residual block; there are as many input blocks.
    let blocks = shapes.count { "output_blocks.\($0).0.in_layers.2.weight" }
    func steps(_ isStep: (Int) -> Bool) -> Int { (0..<blocks).count(where: isStep) }
    let convolutions = steps { shapes.has("input_blocks.\($0).0.op.weight") }
    let residual = steps { number in
      (1...2).contains { shapes.has("output_blocks.\(number).\($0).in_layers.2.weight") }
    }
    // Means have no weights: their input blocks are the gaps in the count.
    let gaps = steps { $0 > 0 && !shapes.has("input_blocks.\($0).0.in_layers.2.weight") } - convolutions
    let number: Int
    switch (convolutions, residual) {
    case (_, 1...): (resampling, number) = (.residualBlock, residual + 1)
    case (0, _) where gaps > 0: (resampling, number) = (.plain, gaps + 1)
    default: (resampling, number) = (.convolution, convolutions + 1)
    }
    let perLevel = max(blocks / number, 1)
    if blocks % number != 0 || perLevel < 2 {
      shapes.report("\(blocks) output blocks make no \(number) levels of equally many residual blocks")
    }
    layers = max(perLevel - 1, 1)
    let first = (0..<number).map { 1 + $0 * perLevel }
    levelChannels = first.map { shapes.dim("input_blocks.\($0).0.in_layers.2.weight", 0) }
    let transformers = (0..<number).filter { shapes.has("input_blocks.\(first[$0]).1.\(Self.transformerMark)") }
    let attentions = (0..<number).filter { shapes.has("input_blocks.\(first[$0]).1.qkv.weight") }
    attentionLevels = (attentions + transformers).sorted()
    transformer = Self.transformer(transformers.map { "input_blocks.\(first[$0]).1" }, shapes)
    if transformer != nil, !attentions.isEmpty {
      shapes.report("attention at levels \(attentions), transformers at levels \(transformers) and in the middle")
    }
    scalesAndShifts =
      shapes.dim("middle_block.0.emb_layers.1.weight", 0) == 2 * shapes.dim("middle_block.0.in_layers.2.weight", 0)
    // Six channels to six: three of the image and three of a smaller one; three predicted and three of a variance.
    if outChannels != inChannels && outChannels != 2 * inChannels || inChannels == 6 && outChannels == 6 {
      shapes.report(
        "\(inChannels) input channels and \(outChannels) output channels: networks that take another image beside the noisy "
          + "one, such as super-resolution, are not supported")
    }
    try shapes.finish()
  }

  private static let transformerMark = "transformer_blocks.0.attn1.to_k.weight"

  /// - Parameter paths: of transformers at the levels; the middle has one where they do.
  private static func transformer(_ paths: [String], _ shapes: WeightShapes) -> Transformer? {
    let all = paths + ["middle_block.1"]
    guard shapes.has("\(all[0]).\(transformerMark)") || shapes.has("middle_block.1.\(transformerMark)") else {
      return nil
    }
    let depths = all.map { path in shapes.count { "\(path).transformer_blocks.\($0).attn1.to_k.weight" } }
    if Set(depths).count > 1 { shapes.report("transformers of \(depths) blocks, expected as many in each") }
    let own = all.map { shapes.dim("\($0).\(transformerMark)", 1) }
    let other = all.map { shapes.dim("\($0).transformer_blocks.0.attn2.to_k.weight", 1) }
    if own == other {
      // One width cannot be that of several levels.
      return Transformer(depth: depths[0], context: Set(own).count > 1 ? .none : .either(own[0]))
    }
    if Set(other).count > 1 { shapes.report("transformers look at contexts of \(other) channels, expected one width") }
    return Transformer(depth: depths[0], context: .width(other[0]))
  }

  func configuration(size: SampleSize, heads: OpenAIUNetConfiguration.Heads) -> OpenAIUNetConfiguration {
    OpenAIUNetConfiguration(
      outline: UNetOutline(
        sampleSize: size, inChannels: inChannels, outChannels: outChannels, modelChannels: modelChannels,
        blockOutChannels: levelChannels, layersPerBlock: layers, attentionLevels: attentionLevels),
      stemChannels: stemChannels, heads: heads, timeScaleShift: scalesAndShifts ? .scaleShift : .add,
      resampling: resampling, classes: classes)
  }
}

extension OpenAICheckpoint {
  // MARK: Names

  /// Blocks are numbered through: an input block is the first convolution, a residual block with its attention, or a step down;
  /// an output block is a residual block, its attention and, at a level's end, the step up.
  /// - Parameter depth: transformer blocks of each transformer; nil where attention is plain, in `order`.
  static func layout(
    _ configuration: OpenAIUNetConfiguration, _ order: QKVOrder, depth: Int? = nil
  ) -> ModuleLayout {
    var names = OpenAINames(order, depth: depth)
    let outline = configuration.outline
    let levels = outline.blockOutChannels.count
    var input = 1
    for (level, channels) in outline.blockOutChannels.enumerated() {
      let path = "down_blocks.\(level)"
      for layer in 0..<outline.layersPerBlock {
        names.residualBlock("\(path).resnets.\(layer)", "input_blocks.\(input).0")
        names.attention("\(path).attentions.\(layer)", "input_blocks.\(input).1", channels, configuration.heads.down)
        input += 1
      }
      guard level < levels - 1 else { continue }
      names.residualBlock("\(path).downsamplers.0", "input_blocks.\(input).0")
      names.module("\(path).downsamplers.0.conv", "input_blocks.\(input).0.op")
      input += 1
    }
    names.residualBlock("mid_block.resnets.0", "middle_block.0")
    names.attention(
      "mid_block.attentions.0", "middle_block.1", outline.blockOutChannels[levels - 1], configuration.heads.down)
    names.residualBlock("mid_block.resnets.1", "middle_block.2")
    var output = 0
    for level in (0..<levels).reversed() {
      let path = "up_blocks.\(levels - 1 - level)"
      for layer in 0...outline.layersPerBlock {
        names.residualBlock("\(path).resnets.\(layer)", "output_blocks.\(output).0")
        names.attention(
          "\(path).attentions.\(layer)", "output_blocks.\(output).1", outline.blockOutChannels[level],
          configuration.heads.up)
        output += 1
      }
      guard level > 0 else { continue }
      let step = "output_blocks.\(output - 1).\(outline.attentionLevels.contains(level) ? 2 : 1)"
      names.residualBlock("\(path).upsamplers.0", step)
      names.module("\(path).upsamplers.0.conv", "\(step).conv")
    }
    return ModuleLayout(name: name, places: names.places)
  }
}

/// Collects where the layers of an OpenAI U-Net stand.
private struct OpenAINames {
  private(set) var places: [String: ModuleLayout.Place] = [
    "time_embedding.linear_1": .module("time_embed.0"), "time_embedding.linear_2": .module("time_embed.2"),
    "class_embedding": .module("label_emb"), "conv_in": .module("input_blocks.0.0"), "conv_norm_out": .module("out.0"),
    "conv_out": .module("out.2"),
  ]
  private let order: QKVOrder
  private let depth: Int?

  init(_ order: QKVOrder, depth: Int?) {
    self.order = order
    self.depth = depth
  }

  mutating func module(_ canonical: String, _ stored: String) { places[canonical] = .module(stored) }

  mutating func residualBlock(_ canonical: String, _ stored: String) {
    let pairs = [
      ("norm1", "in_layers.0"), ("conv1", "in_layers.2"), ("time_emb_proj", "emb_layers.1"), ("norm2", "out_layers.0"),
      ("conv2", "out_layers.3"), ("conv_shortcut", "skip_connection"),
    ]
    for (ours, theirs) in pairs { module("\(canonical).\(ours)", "\(stored).\(theirs)") }
  }

  mutating func attention(
    _ canonical: String, _ stored: String, _ channels: Int, _ heads: AttentionStyle.Heads
  ) {
    if let depth { return transformer(canonical, stored, depth) }
    module("\(canonical).group_norm", "\(stored).norm")
    module("\(canonical).to_out.0", "\(stored).proj_out")
    guard heads.divide(channels) else { return }
    let width = heads.width(of: channels)
    for (part, name) in ["to_q", "to_k", "to_v"].enumerated() {
      let rows =
        switch order {
        case .legacy:
          RowSelection(
            total: 3 * channels, first: part * width, length: width, stride: 3 * width, count: channels / width)
        case .new:
          RowSelection(total: 3 * channels, first: part * channels, length: channels, stride: channels, count: 1)
        }
      places["\(canonical).\(name)"] = .rows(rows, of: "\(stored).qkv")
    }
  }

  /// The programs call the parts of a transformer alike.
  private mutating func transformer(_ canonical: String, _ stored: String, _ depth: Int) {
    for part in ["norm", "proj_in", "proj_out"] { module("\(canonical).\(part)", "\(stored).\(part)") }
    let attentions = ["attn1", "attn2"].flatMap { name in
      ["to_q", "to_k", "to_v", "to_out.0"].map { "\(name).\($0)" }
    }
    for block in 0..<depth {
      for part in attentions + ["norm1", "norm2", "norm3", "ff.net.0.proj", "ff.net.2"] {
        module("\(canonical).transformer_blocks.\(block).\(part)", "\(stored).transformer_blocks.\(block).\(part)")
      }
    }
  }
}
