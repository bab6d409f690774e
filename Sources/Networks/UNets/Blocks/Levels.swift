import Graphs
import Tensors

extension GraphBuilder {
  /// One level of the way down: residual blocks, each with attention in attention levels, then the step to half size.
  /// Every result is kept in `skips` for the way up.
  mutating func downLevel(
    _ configuration: UNet2DConfiguration, _ style: ResidualStyle, _ level: Int, _ x: Value, temb: Value,
    skips: inout [Value]
  ) -> Value {
    let channels = configuration.blockOutChannels[level]
    let block = configuration.downBlocks[level]
    var h = x
    for layer in 0..<configuration.layersPerBlock {
      h = residualBlock("resnets.\(layer)", h, temb: temb, out: channels, style: style)
      if block == .attention { h = levelAttention(configuration, layer, h) }
      skips.append(h)
    }
    guard level < configuration.levels - 1 else { return h }
    switch resampling(block, configuration) {
    case .conv: h = downsample(h, padding: configuration.downsamplePadding)
    case .resnet:
      h = residualBlock(
        "downsamplers.0", h, temb: temb, out: channels, style: style, resampling: .halve, kind: .downsample)
    }
    skips.append(h)
    return h
  }

  /// The middle: residual block, attention, residual block at the lowest resolution.
  mutating func middle(
    _ configuration: UNet2DConfiguration, _ style: ResidualStyle, _ x: Value, temb: Value
  ) -> Value {
    let channels = channels(of: x)
    let divisor = configuration.midBlockScaleFactor
    var h = residualBlock("resnets.0", x, temb: temb, out: channels, style: style, divisor: divisor)
    if configuration.addAttention {
      h = attentionBlock(
        "attentions.0", h, groups: configuration.midAttentionGroups, epsilon: style.epsilon,
        headWidth: configuration.attentionHeadDim ?? channels, divisor: divisor)
    }
    return residualBlock("resnets.1", h, temb: temb, out: channels, style: style, divisor: divisor)
  }

  /// One level of the way up: one residual block more than on the way down, each on the concatenation with the latest
  /// skip, then the step to double size.
  mutating func upLevel(
    _ configuration: UNet2DConfiguration, _ style: ResidualStyle, _ level: Int, _ x: Value, temb: Value,
    skips: inout [Value]
  ) -> Value {
    let channels = configuration.blockOutChannels[level]
    let block = configuration.upBlocks[configuration.levels - 1 - level]
    var h = x
    for layer in 0...configuration.layersPerBlock {
      let joined = concatenate("skips.\(layer)", h, skips.removeLast())
      h = residualBlock("resnets.\(layer)", joined, temb: temb, out: channels, style: style)
      if block == .attention { h = levelAttention(configuration, layer, h) }
    }
    guard level > 0 else { return h }
    switch resampling(block, configuration) {
    case .conv:
      return region("upsamplers.0", .upsample) { g in
        g.conv2d("conv", g.upsampleNearest("upsample", h), out: channels)
      }
    case .resnet:
      return residualBlock(
        "upsamplers.0", h, temb: temb, out: channels, style: style, resampling: .double, kind: .upsample)
    }
  }

  /// The step to half size by a strided convolution; padding 0 means one zero row and column at bottom and right.
  private mutating func downsample(_ x: Value, padding: Int) -> Value {
    region("downsamplers.0", .downsample) { g in
      g.conv2d("conv", x, out: g.channels(of: x), stride: 2, padding: .init(leading: padding, trailing: 1))
    }
  }

  private mutating func levelAttention(_ configuration: UNet2DConfiguration, _ layer: Int, _ x: Value) -> Value {
    attentionBlock(
      "attentions.\(layer)", x, groups: configuration.normGroups, epsilon: Float(configuration.normEpsilon),
      headWidth: configuration.attentionHeadDim ?? channels(of: x))
  }
}

/// Plain blocks always resample by convolution and Resnet blocks by a residual block; attention blocks as
/// `downsample_type` and `upsample_type` say.
private func resampling(
  _ block: UNet2DConfiguration.DownBlock, _ configuration: UNet2DConfiguration
) -> UNet2DConfiguration.Resampling {
  switch block {
  case .plain: .conv
  case .attention: configuration.downsampling
  case .resnet: .resnet
  }
}

private func resampling(
  _ block: UNet2DConfiguration.UpBlock, _ configuration: UNet2DConfiguration
) -> UNet2DConfiguration.Resampling {
  switch block {
  case .plain: .conv
  case .attention: configuration.upsampling
  case .resnet: .resnet
  }
}
