extension Graph {
  /// The temporal information block by itself (Huang et al. 2024, section 3.1): the sample's node, which nothing reads, and
  /// every temporal node, with the paths they have in the whole graph. Its output is the last of them. For evaluating the
  /// block without images; nil when nothing is temporal.
  package func temporalBlock() -> Graph? {
    let kept = nodes.filter { isTemporal[$0.index] || $0.op.meaning == .sample }
    guard let last = kept.last(where: { isTemporal[$0.index] }) else { return nil }
    let position = Dictionary(uniqueKeysWithValues: kept.enumerated().map { ($1.index, $0) })
    let renumbered = kept.enumerated().map { index, node in
      Node(
        index: index, path: node.path, op: node.op, inputs: node.inputs.compactMap { position[$0] }, shape: node.shape)
    }
    let read = Set(renumbered.flatMap(\.op.parameters))
    return Graph(
      nodes: renumbered, parameters: parameters.filter { read.contains($0.name) }, regions: [],
      output: position[last.index] ?? 0)
  }

  /// Paths of the nodes that depend on the class label.
  package var labelDependentPaths: [String] {
    nodes.filter { dependencies[$0.index].contains(.label) }.map(\.path)
  }
}
