import Graphs

/// Which nodes of a graph disappear into others when it is compiled.
///
/// Works on *roots*: reshapes between images and tokens are free in the N H W C layout, so a value and its reshapes are
/// one buffer.
struct FusionPlan {
  let graph: Graph
  /// Whether a node belongs to the phase that is compiled.
  let isMember: [Bool]
  /// Nodes whose results are read from outside this part, or are its output.
  let isExternal: [Bool]
  /// For each root, the member nodes that read it, directly or through reshapes.
  private let readers: [[Int]]
  /// Normalisations that several layers read as the same codes, attention's queries, keys and values above all: they are
  /// written once, as codes, for all of them.
  private(set) var isShared: [Bool]

  init(graph: Graph, phase: Phase) {
    self.graph = graph
    let phases = graph.nodes.map { graph.phase(of: $0.index) }
    isMember = phases.map { $0 == phase }
    var isExternal = [Bool](repeating: false, count: graph.nodes.count)
    var readers = [[Int]](repeating: [], count: graph.nodes.count)
    for node in graph.nodes {
      for input in node.inputs {
        let root = Self.root(of: input, in: graph)
        if phases[input] != phases[node.index] { isExternal[root] = true }
        if !node.op.facts.isReshape { readers[root].append(node.index) }
      }
    }
    isExternal[Self.root(of: graph.output, in: graph)] = true
    self.isExternal = isExternal
    self.readers = readers
    isShared = [Bool](repeating: false, count: graph.nodes.count)
  }

  /// Marks the normalisations whose readers are all 1x1 layers that `codes` calls equal.
  mutating func shareNormalizations(codes: (_ reader: Node, _ other: Node) -> Bool) {
    for node in graph.nodes where isMember[node.index] && !isExternal[node.index] {
      guard Self.isNormalization(node.op) else { continue }
      let layers = readers[node.index].map { graph.nodes[$0] }
      guard let first = layers.first, layers.count > 1, layers.allSatisfy(Self.readsPixelByPixel),
        layers.allSatisfy({ codes($0, first) })
      else { continue }
      isShared[node.index] = true
    }
  }

  private static func isNormalization(_ op: Op) -> Bool {
    switch op {
    case .groupNorm, .layerNorm: true
    default: false
    }
  }

  private static func readsPixelByPixel(_ node: Node) -> Bool {
    switch node.op {
    case .linear: true
    case .conv2d(let convolution):
      convolution.dims[2...] == [1, 1] && convolution.stride == 1
        && convolution.padding == Convolution.Padding(leading: 0, trailing: 0)
    default: false
    }
  }

  static func root(of node: Int, in graph: Graph) -> Int {
    var node = node
    while graph.nodes[node].op.facts.isReshape { node = graph.nodes[node].inputs[0] }
    return node
  }

  func root(of node: Int) -> Int { Self.root(of: node, in: graph) }

  /// The one node that reads `root`, when there is exactly one and nothing outside does.
  func soleReader(of root: Int) -> Node? {
    guard !isExternal[root], readers[root].count == 1 else { return nil }
    return graph.nodes[readers[root][0]]
  }

  /// Order of the parts of a `Preparation`, from the source outwards; nil for nodes that are not part of one.
  private func stage(_ op: Op) -> Int? {
    switch op {
    case .groupNorm: 0
    case .scaleShift: 1
    case .activation: 2
    case .upsampleNearest: 3
    case .conv2d, .linear: 4
    default: nil
    }
  }

  /// Whether the node's value exists only inside its reader's preparation.
  func isAbsorbed(_ node: Node) -> Bool {
    if isShared[node.index] { return true }
    // Functions of whole rows are written by their linear layer's preparation, with nothing around them.
    switch node.op {
    case .layerNorm, .geglu:
      guard let reader = soleReader(of: node.index), case .linear = reader.op else { return false }
      return true
    default: break
    }
    guard let own = stage(node.op), own < 4, let reader = soleReader(of: node.index), let theirs = stage(reader.op)
    else { return false }
    return own < theirs && root(of: reader.inputs[0]) == node.index
  }

  /// A concatenation that is never written: everything that reads it can read two sources.
  func isVirtualConcatenation(_ node: Node) -> Bool {
    guard case .concatenate = node.op, !isExternal[node.index] else { return false }
    return readers[node.index].allSatisfy { reader in
      stage(graph.nodes[reader].op) != nil && root(of: graph.nodes[reader].inputs[0]) == node.index
    }
  }
}
