import Tensors

extension QuantizationTable {
  /// Every entry that has no place in the graph: layer weights of another shape, sites that do not exist, scales and rows
  /// that are not as many as the place has channels and labels. Empty when the table fits.
  package func problems(for graph: Graph) -> [String] {
    let nodes = Dictionary(uniqueKeysWithValues: graph.nodes.map { ($0.path, $0) })
    let sites = Set(graph.sites)
    var problems: [String] = []
    for path in weights.keys.sorted() {
      let site = Site(node: path, role: .weight)
      guard let node = nodes[path], sites.contains(site), let dims = graph.parameterDims(of: node) else {
        problems.append("\(site): no such layer")
        continue
      }
      let weight = weights[path]!
      if weight.dims != dims { problems.append("\(site): expected shape \(dims), found \(weight.dims)") }
      if let problem = weight.quantizer.problem(channels: dims[0], rowLength: dims.dropFirst().reduce(1, *)) {
        problems.append("\(site): \(problem)")
      }
    }
    for site in activations.keys.sorted() {
      guard let node = nodes[site.node], sites.contains(site), site.role != .weight else {
        problems.append("\(site): no such site")
        continue
      }
      let quantizers = activations[site]!
      let channels = ChannelLayout(graph.dims(at: site.role, of: node)).count
      if let problem = quantizers.rows.lazy.compactMap({ $0.problem(channels: channels) }).first {
        problems.append("\(site): \(problem)")
      }
      if case .stepAndLabel(let classes) = quantizers.key,
        classes != graph.classCount || quantizers.rows.count % classes != 0
      {
        problems.append(
          "\(site): \(quantizers.rows.count) rows for \(classes) classes, the network has \(graph.classCount ?? 0)")
      }
    }
    for path in features.keys.sorted() {
      if let problem = graph.problem(of: features[path]!, at: path) { problems.append("\(path): \(problem)") }
    }
    return problems
  }
}

extension Graph {
  /// Shape of the tensor at a site of `node`, without the batch.
  package func dims(at role: Site.Role, of node: Node) -> [Int] {
    switch role {
    case .weight: parameterDims(of: node) ?? []
    case .input: nodes[node.inputs[0]].dims
    case .operand(let position): nodes[node.inputs[position]].dims
    case .output: node.dims
    }
  }
}
