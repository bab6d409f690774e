import Graphs
import Tensors

extension AutoencoderConfiguration {
  /// Of all normalisations, in CompVis's and diffusers' autoencoders alike.
  private static let epsilon: Float = 1e-6

  private var attention: AttentionStyle {
    AttentionStyle(groups: normGroups, epsilon: Self.epsilon, heads: .count(1))
  }

  private var style: ResidualStyle {
    ResidualStyle(groups: normGroups, epsilon: Self.epsilon, activation: activation, timeScaleShift: .add)
  }

  private var middle: UNetPlan.Middle { UNetPlan.Middle(attention: middleAttends ? attention : nil, divisor: 1) }

  package func graph(_ side: FirstStageSide, latent: SampleSize) throws(GraphError) -> Graph {
    var g = GraphBuilder()
    let output =
      switch side {
      case .encoder: encoder(&g, imageSize(of: latent))
      case .decoder: decoder(&g, latent)
      }
    return try g.finish(output: output)
  }

  /// Images C H W to latents, or their moments, at 1 / `factor` of the size.
  private func encoder(_ g: inout GraphBuilder, _ size: SampleSize) -> Value {
    let inner = g.scope("encoder") { g in
      var h = g.region("conv_in", .stem, inScope: false) { g in
        let image = g.sample(ImageShape(channels: inChannels, height: size.height, width: size.width))
        return g.conv2d("conv_in", image, out: stemChannels)
      }
      for level in blockOutChannels.indices {
        h = g.scope("down_blocks.\(level)") { g in
          h = blocks(&g, h, level: level, count: layersPerBlock)
          guard level < blockOutChannels.count - 1 else { return h }
          if !convolutionalResampling { return g.scope("downsamplers.0") { $0.averagePool("pool", h) } }
          // Zero rows below and columns at the right only.
          return g.downsample(h, padding: 0)
        }
      }
      h = g.scope("mid_block") { $0.middle(middle, style, h, temb: nil) }
      return head(&g, h, out: momentsPerChannel * innerChannels)
    }
    return hasQuantConvolution ? join(&g, "quant_conv", inner, out: momentsPerChannel * latentChannels) : inner
  }

  /// Latents, as `form` has made them, to images at `factor` times the size.
  private func decoder(_ g: inout GraphBuilder, _ size: SampleSize) -> Value {
    let shape = ImageShape(channels: latentChannels, height: size.height, width: size.width)
    let latents: Value
    if hasPostQuantConvolution {
      latents = g.region("post_quant_conv", .stem, inScope: false) { g in
        g.conv2d("post_quant_conv", g.sample(shape), out: innerChannels, kernel: 1)
      }
    } else {
      latents = g.sample(shape)
    }
    let deepest = blockOutChannels[blockOutChannels.count - 1]
    return g.scope("decoder") { g in
      var h = g.region("conv_in", .stem, inScope: false) { $0.conv2d("conv_in", latents, out: deepest) }
      h = g.scope("mid_block") { $0.middle(middle, style, h, temb: nil) }
      for (position, level) in blockOutChannels.indices.reversed().enumerated() {
        h = g.scope("up_blocks.\(position)") { g in
          h = blocks(&g, h, level: level, count: layersPerBlock + 1)
          guard level > 0 else { return h }
          return g.upsample(h, out: blockOutChannels[level], convolutional: convolutionalResampling)
        }
      }
      return head(&g, h, out: outChannels)
    }
  }

  /// The residual blocks of a level, each with attention in attention levels.
  private func blocks(_ g: inout GraphBuilder, _ x: Value, level: Int, count: Int) -> Value {
    var h = x
    for layer in 0..<count {
      h = g.residualBlock("resnets.\(layer)", h, temb: nil, out: blockOutChannels[level], style: style)
      if attentionLevels.contains(level) { h = g.attentionBlock("attentions.\(layer)", h, attention) }
    }
    return h
  }

  private func head(_ g: inout GraphBuilder, _ x: Value, out: Int) -> Value {
    g.region("conv_out", .head, inScope: false) { g in
      let normed = g.groupNorm("conv_norm_out", x, groups: normGroups, epsilon: Self.epsilon)
      return g.conv2d("conv_out", g.activation("conv_act", normed, .silu), out: out)
    }
  }

  /// The 1x1 convolution between a network and the latents.
  private func join(_ g: inout GraphBuilder, _ name: String, _ x: Value, out: Int) -> Value {
    g.region(name, .head, inScope: false) { $0.conv2d(name, x, out: out, kernel: 1) }
  }
}
