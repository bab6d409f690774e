extension Graph {
  /// Every convolution and linear layer in execution order: its node's path and the parameter it multiplies with.
  package var layerWeights: [(path: String, parameter: String)] {
    let layers = Set(sites.filter { $0.role == .weight }.map(\.node))
    return nodes.filter { layers.contains($0.path) }.compactMap { node in
      node.op.parameters.first.map { (node.path, $0) }
    }
  }
}
