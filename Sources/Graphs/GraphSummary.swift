/// What a graph costs and consists of: the data behind `halftone inspect`. All counts are for one image.
package struct GraphSummary: Sendable, Equatable {
  /// One contraction: the only operations whose arithmetic is worth counting, and the only ones with sites.
  package struct Contraction: Sendable, Equatable {
    package let path: String
    /// Values of the weight; 0 for attention products.
    package let weightCount: Int
    package let multiplyAccumulates: Int
    /// Whether it belongs to the temporal information block and so runs once per step, not once per image.
    package let isTemporal: Bool
  }

  package struct Block: Sendable, Equatable {
    package let name: String
    package let kind: Region.Kind
    package let parameterCount: Int
    package let multiplyAccumulates: Int
    /// Shape of the block's last result.
    package let dims: [Int]
  }

  package let parameterCount: Int
  /// In execution order.
  package let contractions: [Contraction]
  package let blocks: [Block]

  package init(_ graph: Graph) {
    let products = graph.nodes.map { Self.products(of: $0, in: graph) }
    let costs = products.map { Self.sum($0.lazy.map(\.count)) }
    parameterCount = graph.parameters.reduce(0) { $0 + $1.count }
    contractions = zip(graph.nodes, products).flatMap { node, products in
      products.map {
        Contraction(
          path: $0.path, weightCount: graph.parameterDims(of: node)?.reduce(1, *) ?? 0, multiplyAccumulates: $0.count,
          isTemporal: graph.isTemporal[node.index])
      }
    }
    blocks = graph.regions.map { region in
      let names = Set(region.nodes.flatMap { graph.nodes[$0].op.parameters })
      return Block(
        name: region.name, kind: region.kind,
        parameterCount: names.reduce(0) { $0 + (graph.parameter($1)?.count ?? 0) },
        multiplyAccumulates: Self.sum(region.nodes.lazy.map { costs[$0] }),
        dims: region.nodes.last.map { graph.nodes[$0].dims } ?? [])
    }
  }

  package var multiplyAccumulates: Int { Self.sum(contractions.lazy.map(\.multiplyAccumulates)) }
  /// Paths of the temporal information block's layers.
  package var temporalMembers: [String] { contractions.filter(\.isTemporal).map(\.path) }

  /// The sum, or the largest integer where a hostile configuration exceeds it.
  private static func sum(_ values: some Sequence<Int>) -> Int {
    values.reduce(0) { total, value in
      let (sum, overflow) = total.addingReportingOverflow(value)
      return overflow ? .max : sum
    }
  }

  /// Multiplications of a contraction, or of each product of an attention; none for other nodes. Products with padding
  /// count as in the literature.
  private static func products(of node: Node, in graph: Graph) -> [(path: String, count: Int)] {
    let facts = node.op.facts
    if let attention = facts.attention, let probabilities = graph.shape(at: attention.probabilities) {
      let width = graph.nodes[node.inputs[0]].shape.channels / attention.heads
      return [
        (attention.scores, probabilities.count * width), (attention.values, node.count * probabilities.channels),
      ]
    }
    guard facts.isLayer, let weight = graph.parameterDims(of: node) else { return [] }
    return [(node.path, node.count * weight.dropFirst().reduce(1, *))]
  }
}
