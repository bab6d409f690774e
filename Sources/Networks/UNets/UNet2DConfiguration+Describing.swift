import Graphs
import Tensors

/// What of a network diffusers' `UNet2DModel` has no words for.
package struct UndescribedNetwork: Error, Equatable {
  package let properties: [String]
}

extension UNet2DConfiguration {
  /// The `UNet2DModel` that is the network of a plan: its graph has the same layers, names and results.
  /// - Throws: everything that its configuration cannot say.
  package init(describing plan: UNetPlan, size: SampleSize?) throws(UndescribedNetwork) {
    self.init()
    var problems: [String] = []
    let levels = plan.levels
    sampleSize = size
    (inChannels, outChannels, centerInputSample) = (plan.inChannels, plan.outChannels, plan.centersInput)
    blockOutChannels = levels.map(\.channels)
    layersPerBlock = levels[0].layers
    if case .sinusoidal(let embedding) = plan.timeProjection {
      (flipSinToCos, freqShift) = (embedding.flipSinToCos, Double(embedding.frequencyShift))
    }
    timeEmbeddingDim = plan.embeddingWidth == 4 * blockOutChannels[0] ? nil : plan.embeddingWidth
    classEmbedding = plan.classEmbedding
    (normGroups, normEpsilon) = (plan.style.groups, Double(plan.style.epsilon.description) ?? normEpsilon)
    (activation, timeScaleShift) = (plan.style.activation, plan.style.timeScaleShift)
    downsamplePadding = plan.downsamplePadding
    hasMidBlock = plan.middle != nil
    addAttention = plan.middle?.attention != nil
    midBlockScaleFactor = plan.middle?.divisor ?? 1
    downBlocks = levels.map {
      $0.downAttention != nil ? .attention : $0.downsampling == .residualBlock ? .resnet : .plain
    }
    upBlocks = levels.reversed().map {
      $0.upAttention != nil ? .attention : $0.upsampling == .residualBlock ? .resnet : .plain
    }
    if levels.contains(where: { $0.downsampling == .residualBlock }) { downsampling = .resnet }
    if levels.contains(where: { $0.upsampling == .residualBlock }) { upsampling = .resnet }

    if plan.context != nil { problems.append("attention to a context") }
    if plan.stemChannels != blockOutChannels[0] {
      problems.append("a first convolution of \(plan.stemChannels) channels before a level of \(blockOutChannels[0])")
    }
    if plan.style.shortcutKernel != 1 { problems.append("shortcuts of 3x3 convolutions") }
    if levels.contains(where: { $0.downsampling == .plain || $0.upsampling == .plain }) {
      problems.append("levels that change size without a convolution")
    }
    // One head of full width needs no words; others have one width throughout.
    let widths = plan.headWidths
    let isSingle = plan.attentionStyles.allSatisfy { $0.style.heads.width(of: $0.channels) == $0.channels }
    if !isSingle, widths.count > 1 {
      problems.append("attention heads of different widths, \(widths.map(String.init).joined(separator: " and "))")
    }
    attentionHeadDim = isSingle ? nil : widths.first
    let groups = plan.middle?.attention?.groups
    if groups != midAttentionGroups { attentionNormGroups = groups }
    if !problems.isEmpty { throw UndescribedNetwork(properties: problems) }
    // What the translation does not know of must not be lost.
    if self.plan.withHeadWidths != plan.withHeadWidths {
      throw UndescribedNetwork(properties: ["a combination of settings that its configuration cannot express"])
    }
  }
}

extension UNetPlan {
  /// Every attention's style and the channels of its level.
  fileprivate var attentionStyles: [(style: AttentionStyle, channels: Int)] {
    var found = levels.flatMap { level in
      [level.downAttention, level.upAttention].compactMap { $0 }.map { (style: $0, channels: level.channels) }
    }
    if let middle = middle?.attention, let last = levels.last { found.append((middle, last.channels)) }
    return found
  }

  /// Widths of all heads, ascending.
  fileprivate var headWidths: [Int] {
    Set(attentionStyles.map { $0.style.heads.width(of: $0.channels) }).sorted()
  }

  /// The plan with heads by their width everywhere, and without what leads nowhere: those of equal networks are equal.
  fileprivate var withHeadWidths: UNetPlan {
    var plan = self
    func byWidth(_ style: AttentionStyle?, _ channels: Int) -> AttentionStyle? {
      guard var style else { return nil }
      style.heads = .width(style.heads.width(of: channels))
      return style
    }
    for index in levels.indices {
      let channels = levels[index].channels
      plan.levels[index].downAttention = byWidth(levels[index].downAttention, channels)
      plan.levels[index].upAttention = byWidth(levels[index].upAttention, channels)
    }
    plan.middle?.attention = byWidth(middle?.attention, levels.last?.channels ?? 0)
    // The last level leads nowhere down, the first nowhere up.
    plan.levels[levels.count - 1].downsampling = .convolution
    plan.levels[0].upsampling = .convolution
    return plan
  }
}
