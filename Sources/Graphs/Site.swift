/// One place where a tensor can be quantised: an operand of a contraction, named by the path of its layer or, within an
/// attention, of its product.
package struct Site: Hashable, Comparable, Sendable, CustomStringConvertible {
  package enum Role: Hashable, Sendable, CustomStringConvertible {
    /// The weight of a convolution or linear layer.
    case weight
    /// The activation that a convolution or linear layer multiplies.
    case input
    /// An operand of an attention product: 0 the queries or probabilities, 1 the keys or values.
    case operand(Int)
    /// The result of a convolution or linear layer; simulation only (PTQ4DM's released variant).
    case output

    package var description: String {
      switch self {
      case .weight: "weight"
      case .input: "input"
      case .operand(let i): "operand\(i)"
      case .output: "output"
      }
    }

    package init?(_ text: String) {
      switch text {
      case "weight": self = .weight
      case "input": self = .input
      case "operand0": self = .operand(0)
      case "operand1": self = .operand(1)
      case "output": self = .output
      default: return nil
      }
    }
  }

  package let node: String
  package let role: Role
  package init(node: String, role: Role) {
    self.node = node
    self.role = role
  }
  /// `down_blocks.0.resnets.0.conv1:input`; `init?(_:)` reads it back.
  package var description: String { "\(node):\(role)" }
  package init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"), let role = Role(String(text[text.index(after: colon)...])) else {
      return nil
    }
    self.init(node: String(text[..<colon]), role: role)
  }
  package static func < (a: Site, b: Site) -> Bool { (a.node, a.role.description) < (b.node, b.role.description) }
}

/// Which of a node's tensors stands at a site.
package enum SiteTensor: Sendable, Hashable {
  case weight
  case operand(Int)
  /// Attention's softmax, which no node holds as a whole.
  case probabilities
  case result
}

extension Node {
  /// The node's sites, and the tensors at them.
  package var sites: [(site: Site, tensor: SiteTensor)] {
    let facts = op.facts
    if facts.isLayer {
      return [(.weight, .weight), (.input, .operand(0)), (.output, .result)].map { role, tensor in
        (Site(node: path, role: role), tensor)
      }
    }
    guard let attention = facts.attention else { return [] }
    return [
      (attention.queries, .operand(0)), (attention.keys, .operand(1)), (attention.valueOperand, .operand(2)),
      (attention.probabilities, .probabilities),
    ]
  }
}

extension Attention {
  package var queries: Site { Site(node: scores, role: .operand(0)) }
  package var keys: Site { Site(node: scores, role: .operand(1)) }
  package var probabilities: Site { Site(node: values, role: .operand(0)) }
  package var valueOperand: Site { Site(node: values, role: .operand(1)) }
}

extension Graph {
  /// Every site of the graph in execution order, listed before anything runs.
  package var sites: [Site] { nodes.flatMap { $0.sites.map(\.site) } }

  /// The node that a site belongs to, and which of its tensors stands there; nil where the graph has no such site.
  package func place(of site: Site) -> (node: Node, tensor: SiteTensor)? {
    siteIndex[site].map { (nodes[$0.node], $0.tensor) }
  }

  /// Shape of the activation at a site, without the batch; nil where the graph has no such site, and for weights.
  package func shape(at site: Site) -> Shape? {
    guard let (node, tensor) = place(of: site) else { return nil }
    switch tensor {
    case .weight: return nil
    case .operand(let position): return nodes[node.inputs[position]].shape
    case .result: return node.shape
    case .probabilities:
      let operands = node.inputs.map { nodes[$0].shape }
      return .scores(
        heads: node.op.facts.attention?.heads ?? 1, queries: operands[0].positions, keys: operands[1].positions)
    }
  }
}

extension Graph {
  /// The input of the last convolution before the first skip connection joins: the middle block's features. nil for
  /// networks without skip connections or without such a convolution.
  package var middleSite: Site? {
    guard let join = nodes.first(where: { $0.op == .concatenate }) else { return nil }
    let convolution = nodes.last { node in
      if case .conv2d = node.op { node.index < join.index } else { false }
    }
    return convolution.map { Site(node: $0.path, role: .input) }
  }
}
