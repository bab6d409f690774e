import Tensors

/// One operation of a graph. Its position in `Graph.nodes` is its identity and its place in execution order.
package struct Node: Sendable {
  package let index: Int
  /// Unique, dotted, after the checkpoint's module where there is one: `down_blocks.0.resnets.0.conv1`.
  package let path: String
  package let op: Op
  /// Indices of the operands, all smaller than `index`.
  package let inputs: [Int]
  /// Shape of the result without the batch.
  package let dims: [Int]
  package var count: Int { dims.reduce(1, *) }
}

package struct Parameter: Sendable, Hashable {
  package let name: String
  package let dims: [Int]
  package var count: Int { dims.reduce(1, *) }
}

/// A stretch of the graph that reconstruction and reports treat as one: its nodes are consecutive in execution order.
package struct Region: Sendable {
  package enum Kind: String, Sendable, CaseIterable {
    case timeEmbedding, stem, residualBlock, attention, downsample, upsample, head
  }
  package let name: String
  package let kind: Kind
  package let nodes: Range<Int>
}

/// An immutable straight-line program: one description of the network for every executor (docs/architecture.md).
package struct Graph: Sendable {
  package let nodes: [Node]
  package let parameters: [Parameter]
  package let regions: [Region]
  package let output: Int

  /// Shape of the input image; the graph has exactly one `image` node.
  package let imageShape: ImageShape
  package let classCount: Int?

  private let parameterIndex: [String: Int]

  package func parameter(_ name: String) -> Parameter? { parameterIndex[name].map { parameters[$0] } }

  /// Shape of the weight or table that a node multiplies or looks up; nil for other nodes.
  package func parameterDims(of node: Node) -> [Int]? { node.op.parameters.first.flatMap { parameter($0)?.dims } }

  package func node(at path: String) -> Node? { nodes.first { $0.path == path } }

  /// For each node, whether it depends on the timestep or the class label and not on the image: the temporal
  /// information block (Huang et al. 2024, section 3.1), found by reachability and never by names.
  package let isTemporal: [Bool]

  /// For each node, the nodes that read it.
  package let consumers: [[Int]]

  init(
    nodes: [Node], parameters: [Parameter], regions: [Region], output: Int, imageShape: ImageShape, classCount: Int?
  ) {
    self.nodes = nodes
    self.parameters = parameters
    self.regions = regions
    self.output = output
    self.parameterIndex = Dictionary(uniqueKeysWithValues: parameters.enumerated().map { ($1.name, $0) })
    self.imageShape = imageShape
    self.classCount = classCount
    var consumers = [[Int]](repeating: [], count: nodes.count)
    var seesImage = [Bool](repeating: false, count: nodes.count)
    for node in nodes {
      if node.op == .image { seesImage[node.index] = true }
      for input in node.inputs {
        consumers[input].append(node.index)
        if seesImage[input] { seesImage[node.index] = true }
      }
    }
    self.consumers = consumers
    self.isTemporal = seesImage.map { !$0 }
  }

  /// Index of the last node that reads each node's result (the node itself when nobody does; the end for the output).
  package var lastUse: [Int] {
    var last = consumers.enumerated().map { $0.element.max() ?? $0.offset }
    last[output] = nodes.count
    return last
  }
}
