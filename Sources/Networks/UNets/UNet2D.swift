import Graphs
import Tensors

extension UNet2DConfiguration {
  /// The U-Net of Ho et al. 2020 (App. B) in the variants of diffusers' `UNet2DModel`: node and parameter names are the
  /// checkpoint's module paths.
  /// - Throws: `GraphError` when the size is unknown, does not divide, or the network exceeds the graph's limits.
  package func graph(size: SampleSize?) throws(GraphError) -> Graph {
    guard let size = size ?? sampleSize else {
      throw GraphError(problems: ["sample_size: the configuration leaves it open; give height and width"])
    }
    if let problem = sizeProblem(size) { throw GraphError(problems: ["sample_size: \(problem)"]) }
    let shape = ImageShape(channels: inChannels, height: size.height, width: size.width)
    var g = GraphBuilder()
    let t = g.timestep()
    let temb = g.timeEmbedding(self, t)
    let style = ResidualStyle(self)

    var h = g.region("conv_in", .stem, definedAt: [0], inScope: false) { g in
      let image = g.sample(shape)
      let x = centerInputSample ? g.affine("center", image, scale: 2, offset: -1) : image
      return g.conv2d("conv_in", x, out: blockOutChannels[0])
    }
    var skips = [h]
    for level in 0..<levels {
      h = g.scope("down_blocks.\(level)", definedAt: [1, level], byKind: true) {
        $0.downLevel(self, style, level, h, temb: temb, skips: &skips)
      }
    }
    if hasMidBlock {
      h = g.scope("mid_block", definedAt: [2]) { $0.middle(self, style, h, temb: temb) }
    }
    for (position, level) in (0..<levels).reversed().enumerated() {
      // Defined from the highest resolution, which is executed last.
      h = g.scope("up_blocks.\(position)", definedAt: [3, -position], byKind: true) {
        $0.upLevel(self, style, level, h, temb: temb, skips: &skips)
      }
    }
    let output = g.region("conv_out", .head, definedAt: [4], inScope: false) { g in
      // Always SiLU here and in the time embedding, whatever act_fn says.
      let normed = g.groupNorm("conv_norm_out", h, groups: normGroups, epsilon: Float(normEpsilon))
      let y = g.conv2d("conv_out", g.activation("conv_act", normed, .silu), out: outChannels)
      return timeEmbedding == .fourier ? g.divideByTimestep("divide_by_timestep", y, t) : y
    }
    return try g.finish(output: output)
  }
}
