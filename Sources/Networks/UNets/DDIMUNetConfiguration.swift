import Graphs
import Tensors

/// The U-Net of the DDIM and DDPM pixel models (Ho et al. 2020, App. B; Song et al. 2021, "Denoising diffusion implicit models") as
/// ermongroup/ddim and pesser/pytorch_diffusion write it: sines before cosines, one attention head of full width, normalisations
/// with epsilon 1e-6, and strided convolutions that pad below and right only.
package struct DDIMUNetConfiguration: UNetConfiguration, Equatable {
  package static let className = "DDIMUNet"

  package var outline: UNetOutline
  /// Whether the steps between levels are convolutions (`resamp_with_conv`); otherwise means down and copies up.
  package var convolutionalResampling: Bool
  /// Whether other channels are fitted by 3x3 convolutions (`conv_shortcut`) instead of 1x1.
  package var convolutionalShortcut: Bool

  package init(outline: UNetOutline, convolutionalResampling: Bool, convolutionalShortcut: Bool) {
    self.outline = outline
    self.convolutionalResampling = convolutionalResampling
    self.convolutionalShortcut = convolutionalShortcut
  }

  private static let epsilon = 1e-6

  /// Always known: a checkpoint says it, or its user.
  package var sampleSize: SampleSize? {
    get { outline.sampleSize }
    set { if let newValue { outline.sampleSize = newValue } }
  }

  package static func decode(_ value: ConfigurationValue, file: String) throws(ConfigurationError) -> Self {
    let reader = ConfigurationReader(value, file: file)
    reader.ignore("_class_name")
    let configuration = Self(
      outline: UNetOutline(reader), convolutionalResampling: reader.bool("resamp_with_conv"),
      convolutionalShortcut: reader.bool("conv_shortcut"))
    try reader.finish()
    return configuration
  }

  package var encoded: ConfigurationValue {
    .map(
      [.init("_class_name", .string(Self.className))] + outline.entries + [
        .init("resamp_with_conv", .bool(convolutionalResampling)), .init("conv_shortcut", .bool(convolutionalShortcut)),
      ])
  }

  package var plan: UNetPlan {
    let epsilon = Float(Self.epsilon)
    let attention = AttentionStyle(groups: UNetOutline.normGroups, epsilon: epsilon, heads: .count(1))
    return UNetPlan(
      inChannels: outline.inChannels, outChannels: outline.outChannels,
      timeProjection: .sinusoidal(
        SinusoidalEmbedding(width: outline.modelChannels, flipSinToCos: false, frequencyShift: 1)),
      embeddingWidth: 4 * outline.modelChannels, classEmbedding: nil,
      style: ResidualStyle(
        groups: UNetOutline.normGroups, epsilon: epsilon, activation: .silu, timeScaleShift: .add,
        shortcutKernel: convolutionalShortcut ? 3 : 1),
      stemChannels: outline.modelChannels,
      levels: outline.levels(convolutionalResampling ? .convolution : .plain, down: attention, up: attention),
      middle: UNetPlan.Middle(attention: attention, divisor: 1), downsamplePadding: 0)
  }

  /// The same network as diffusers describes it, where it can: its first convolution is as wide as the first level, its
  /// levels are joined by convolutions and its shortcuts are 1x1.
  package var asUNet2D: UNet2DConfiguration? {
    guard outline.blockOutChannels[0] == outline.modelChannels, convolutionalResampling, !convolutionalShortcut else {
      return nil
    }
    var out = UNet2DConfiguration()
    out.sampleSize = outline.sampleSize
    (out.inChannels, out.outChannels) = (outline.inChannels, outline.outChannels)
    (out.blockOutChannels, out.layersPerBlock) = (outline.blockOutChannels, outline.layersPerBlock)
    let attends = outline.blockOutChannels.indices.map(outline.attentionLevels.contains)
    out.downBlocks = attends.map { $0 ? .attention : .plain }
    out.upBlocks = attends.reversed().map { $0 ? .attention : .plain }
    (out.freqShift, out.flipSinToCos, out.normEpsilon) = (1, false, Self.epsilon)
    (out.downsamplePadding, out.attentionHeadDim) = (0, nil)
    return out
  }
}
