import Graphs
import Tensors

extension UNetPlan {
  /// The network on images of `size`: nodes and parameters are named as diffusers names the modules of such a network, or
  /// in that style where it has none.
  /// - Throws: `GraphError` when the size does not divide, or the network exceeds the graph's limits.
  package func graph(size: SampleSize) throws(GraphError) -> Graph {
    if let problem = Self.sizeProblem(size, levels: levels.count) {
      throw GraphError(problems: ["sample_size: \(problem)"])
    }
    let shape = ImageShape(channels: inChannels, height: size.height, width: size.width)
    var g = GraphBuilder()
    let t = g.timestep()
    let temb = g.timeEmbedding(self, t)
    let context = context.map { g.context(tokens: $0.tokens, width: $0.width) }

    var h = g.region("conv_in", .stem, definedAt: [0], inScope: false) { g in
      let image = g.sample(shape)
      let x = centersInput ? g.affine("center", image, scale: 2, offset: -1) : image
      return g.conv2d("conv_in", x, out: stemChannels)
    }
    var skips = [h]
    for level in levels.indices {
      h = g.scope("down_blocks.\(level)", definedAt: [1, level], byKind: true) {
        $0.downLevel(self, level, h, temb: temb, context: context, skips: &skips)
      }
    }
    if let middle {
      h = g.scope("mid_block", definedAt: [2]) { $0.middle(middle, style, h, temb: temb, context: context) }
    }
    for (position, level) in levels.indices.reversed().enumerated() {
      // Defined from the highest resolution, which is executed last.
      h = g.scope("up_blocks.\(position)", definedAt: [3, -position], byKind: true) {
        $0.upLevel(self, level, h, temb: temb, context: context, skips: &skips)
      }
    }
    let output = g.region("conv_out", .head, definedAt: [4], inScope: false) { g in
      // Always SiLU here and in the time embedding, whatever a configuration's act_fn says.
      let normed = g.groupNorm("conv_norm_out", h, groups: style.groups, epsilon: style.epsilon)
      let y = g.conv2d("conv_out", g.activation("conv_act", normed, .silu), out: outChannels)
      if case .fourier = timeProjection { return g.divideByTimestep("divide_by_timestep", y, t) }
      return y
    }
    return try g.finish(output: output)
  }
}
