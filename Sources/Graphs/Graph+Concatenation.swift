extension Graph {
  /// Where the input of a layer changes from one operand of a concatenation to the next, in channels.
  /// - Parameter direct: only where the layer reads the concatenation itself; else also through operations that keep
  ///   channels apart or normalise them in place.
  /// - Returns: ascending boundaries; empty where the input is no concatenation.
  package func concatenationBoundaries(ofInputTo node: Node, direct: Bool) -> [Int] {
    guard let input = node.inputs.first else { return [] }
    return boundaries(inside: nodes[input], direct: direct)
  }

  private func boundaries(inside node: Node, direct: Bool) -> [Int] {
    switch node.op.facts.channels {
    case .joined:
      let (first, second) = (nodes[node.inputs[0]], nodes[node.inputs[1]])
      let own = first.shape.channels
      return boundaries(inside: first, direct: true) + [own] + boundaries(inside: second, direct: true).map { own + $0 }
    case .kept: return direct ? [] : boundaries(inside: nodes[node.inputs[0]], direct: false)
    case .mixed: return []
    }
  }
}
