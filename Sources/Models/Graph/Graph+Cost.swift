extension Graph {
  /// Multiplications of one image's call that are added up: those of convolutions, linear layers and attention products.
  /// Nodes of the temporal block count once, though a batch at one timestep shares them.
  package func multiplyAccumulates(of node: Node) -> Int {
    switch node.op {
    case .conv2d(let convolution): node.count * convolution.dims.dropFirst().reduce(1, *)
    case .linear: node.count * (nodes[node.inputs[0]].dims.last ?? 0)
    // Each of heads x T x T products runs over the channels of one head.
    case .attentionScores(let heads, _): node.count * nodes[node.inputs[0]].dims[1] / heads
    case .attentionValues(let heads): nodes[node.inputs[0]].count * node.dims[1] / heads
    case .image, .timestep, .label, .sinusoidalEmbedding, .fourierEmbedding, .embedding, .groupNorm, .activation,
      .softmax, .add, .addPerChannel, .scaleShift, .affine, .divideByTimestep, .concatenate, .upsampleNearest,
      .averagePool, .toTokens,
      .fromTokens, .globalAveragePool:
      0
    }
  }

  package var multiplyAccumulates: Int { nodes.reduce(0) { $0 + multiplyAccumulates(of: $1) } }

  package var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }
}
