import Tensors

/// One operation of a graph. Its position in `Graph.nodes` is its identity and its place in execution order.
package struct Node: Sendable {
  package let index: Int
  /// Unique, dotted, after the checkpoint's module where there is one: `down_blocks.0.resnets.0.conv1`.
  package let path: String
  package let op: Op
  /// Indices of the operands, all smaller than `index`.
  package let inputs: [Int]
  /// Of the result for one image.
  package let shape: Shape
  package var dims: [Int] { shape.dims }
  package var count: Int { shape.count }
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

    /// Modules of a level are listed kind by kind: residual blocks, attentions, resampling.
    var definitionRank: Int {
      switch self {
      case .residualBlock: 0
      case .attention: 1
      case .timeEmbedding, .stem, .downsample, .upsample, .head: 2
      }
    }
  }
  package let name: String
  package let kind: Kind
  package let nodes: Range<Int>
  /// Where the region's module stands among those of the network as its code defines them, compared element by element:
  /// released reconstruction codes walk modules in that order, which is not the order of execution.
  package let definition: [Int]
}

/// An immutable straight-line program: one description of the network for every executor (docs/architecture.md).
package struct Graph: Sendable {
  package let nodes: [Node]
  package let parameters: [Parameter]
  package let regions: [Region]
  package let output: Int

  /// What a call brings, in the order of the nodes.
  package let inputs: [GraphInput]
  /// Shape of the sample; a graph has exactly one such input.
  package let imageShape: ImageShape
  /// Of the label, where the network takes one.
  package let classCount: Int?

  private let parameterIndex: [String: Int]
  private let pathIndex: [String: Int]
  let siteIndex: [Site: (node: Int, tensor: SiteTensor)]

  package func parameter(_ name: String) -> Parameter? { parameterIndex[name].map { parameters[$0] } }

  /// Shape of the weight or table that a node multiplies or looks up; nil for other nodes.
  package func parameterDims(of node: Node) -> [Int]? { node.op.parameters.first.flatMap { parameter($0)?.dims } }

  package func node(at path: String) -> Node? { pathIndex[path].map { nodes[$0] } }

  /// The node that stands for an input, or nil where the network has none of its meaning.
  package func inputNode(_ kind: InputSet) -> Node? {
    nodes.first { $0.op.meaning.map { InputSet($0) } == kind }
  }

  /// For each node, the kinds of inputs that its value depends on, found by reachability and never by names.
  package let dependencies: [InputSet]

  /// How often a node's value changes.
  package func phase(of node: Int) -> Phase {
    let inputs = dependencies[node]
    if inputs.isDisjoint(with: [.sample, .context]) { return .step }
    return inputs == .context ? .context : .sample
  }

  /// For each node, whether it belongs to the temporal information block.
  package let isTemporal: [Bool]

  /// For each node, the nodes that read it.
  package let consumers: [[Int]]

  /// - Precondition: exactly one node is a sample, and it is an image.
  init(nodes: [Node], parameters: [Parameter], regions: [Region], output: Int) {
    self.nodes = nodes
    self.parameters = parameters
    self.regions = regions
    self.output = output
    parameterIndex = Dictionary(uniqueKeysWithValues: parameters.enumerated().map { ($1.name, $0) })
    pathIndex = Dictionary(uniqueKeysWithValues: nodes.map { ($0.path, $0.index) })
    siteIndex = Dictionary(
      uniqueKeysWithValues: nodes.flatMap { node in node.sites.map { ($0.site, (node.index, $0.tensor)) } })
    let inputs = nodes.compactMap { if case .input(let input) = $0.op { input } else { nil } }
    self.inputs = inputs
    guard let image = inputs.first(where: { $0.meaning == .sample })?.shape.image else {
      preconditionFailure("a graph without a sample")
    }
    imageShape = image
    classCount = inputs.lazy.compactMap { if case .label(let classes) = $0.meaning { classes } else { nil } }.first
    var consumers = [[Int]](repeating: [], count: nodes.count)
    var dependencies = [InputSet](repeating: [], count: nodes.count)
    for node in nodes {
      if let meaning = node.op.meaning { dependencies[node.index] = InputSet(meaning) }
      for input in node.inputs {
        consumers[input].append(node.index)
        dependencies[node.index].formUnion(dependencies[input])
      }
    }
    self.consumers = consumers
    self.dependencies = dependencies
    isTemporal = dependencies.map { $0.isDisjoint(with: [.sample, .context]) }
  }

  /// Index of the last node that reads each node's result (the node itself when nobody does; the end for the output).
  package var lastUse: [Int] {
    var last = consumers.enumerated().map { $0.element.max() ?? $0.offset }
    last[output] = nodes.count
    return last
  }
}
