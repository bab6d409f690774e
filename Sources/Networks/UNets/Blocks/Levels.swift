import Graphs
import Tensors

extension GraphBuilder {
  /// One level of the way down: residual blocks, each with attention in attention levels, then the step to half size.
  /// Every result is kept in `skips` for the way up.
  mutating func downLevel(
    _ plan: UNetPlan, _ number: Int, _ x: Value, temb: Value, context: Value?, skips: inout [Value]
  ) -> Value {
    let level = plan.levels[number]
    var h = x
    for layer in 0..<level.layers {
      h = residualBlock("resnets.\(layer)", h, temb: temb, out: level.channels, style: plan.style)
      if let style = level.downAttention { h = attention("attentions.\(layer)", h, context: context, style) }
      skips.append(h)
    }
    guard number < plan.levels.count - 1 else { return h }
    switch level.downsampling {
    case .convolution: h = downsample(h, padding: plan.downsamplePadding)
    case .residualBlock:
      h = residualBlock(
        "downsamplers.0", h, temb: temb, out: level.channels, style: plan.style, resampling: .halve, kind: .downsample)
    case .plain: h = scope("downsamplers.0") { $0.averagePool("pool", h) }
    }
    skips.append(h)
    return h
  }

  /// The middle: residual block, attention, residual block at the lowest resolution.
  /// - Parameter temb: nil in networks without time.
  mutating func middle(
    _ middle: UNetPlan.Middle, _ style: ResidualStyle, _ x: Value, temb: Value?, context: Value? = nil
  ) -> Value {
    let channels = channels(of: x)
    let divisor = middle.divisor
    var h = residualBlock("resnets.0", x, temb: temb, out: channels, style: style, divisor: divisor)
    if let style = middle.attention { h = attention("attentions.0", h, context: context, style, divisor: divisor) }
    return residualBlock("resnets.1", h, temb: temb, out: channels, style: style, divisor: divisor)
  }

  /// One level of the way up: one residual block more than on the way down, each on the concatenation with the latest
  /// skip, then the step to double size.
  mutating func upLevel(
    _ plan: UNetPlan, _ number: Int, _ x: Value, temb: Value, context: Value?, skips: inout [Value]
  ) -> Value {
    let level = plan.levels[number]
    var h = x
    for layer in 0...level.layers {
      let joined = concatenate("skips.\(layer)", h, skips.removeLast())
      h = residualBlock("resnets.\(layer)", joined, temb: temb, out: level.channels, style: plan.style)
      if let style = level.upAttention { h = attention("attentions.\(layer)", h, context: context, style) }
    }
    guard number > 0 else { return h }
    switch level.upsampling {
    case .convolution: return upsample(h, out: level.channels, convolutional: true)
    case .residualBlock:
      return residualBlock(
        "upsamplers.0", h, temb: temb, out: level.channels, style: plan.style, resampling: .double, kind: .upsample)
    case .plain: return upsample(h, out: level.channels, convolutional: false)
    }
  }

  /// The step to double size: nearest copies, and a convolution.
  mutating func upsample(_ x: Value, out: Int, convolutional: Bool) -> Value {
    guard convolutional else { return scope("upsamplers.0") { $0.upsampleNearest("upsample", x) } }
    return region("upsamplers.0", .upsample) { g in g.conv2d("conv", g.upsampleNearest("upsample", x), out: out) }
  }

  /// The step to half size by a strided convolution; padding 0 means one zero row and column at bottom and right.
  mutating func downsample(_ x: Value, padding: Int) -> Value {
    region("downsamplers.0", .downsample) { g in
      g.conv2d("conv", x, out: g.channels(of: x), stride: 2, padding: .init(leading: padding, trailing: 1))
    }
  }
}
