/// Part of a graph that is evaluated and differentiated by itself: what it computes, what it is given, what it gives.
package struct GraphSegment: Sendable, Equatable {
  /// The nodes that are evaluated, in execution order.
  package let nodes: [Int]
  /// Nodes outside whose results are read, ascending. Their values come from the caller.
  package let inputs: [Int]
  /// Evaluated nodes whose results are read outside, or are the graph's output, ascending.
  package let outputs: [Int]
}

extension Graph {
  /// The segment of some nodes. The call's inputs are always given, never computed.
  package func segment(_ chosen: some Sequence<Int>) -> GraphSegment {
    var isInside = [Bool](repeating: false, count: nodes.count)
    for index in chosen { isInside[index] = nodes[index].op.meaning == nil }
    let inside = nodes.indices.filter { isInside[$0] }
    let inputs = Set(inside.flatMap { nodes[$0].inputs.filter { !isInside[$0] } })
    let outputs = inside.filter { index in index == output || consumers[index].contains { !isInside[$0] } }
    return GraphSegment(nodes: inside, inputs: inputs.sorted(), outputs: outputs)
  }

  /// The whole network, from its inputs to its output.
  package var wholeSegment: GraphSegment { segment(nodes.indices) }
}
