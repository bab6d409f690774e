/// One place where a tensor can be quantised: an operand of a contraction, named by the node's path.
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

extension Graph {
  /// Every site of the graph in execution order, listed before anything runs.
  package var sites: [Site] {
    nodes.flatMap { node -> [Site] in
      switch node.op {
      case .conv2d, .linear: [.weight, .input, .output].map { Site(node: node.path, role: $0) }
      case .attentionScores, .attentionValues: [.operand(0), .operand(1)].map { Site(node: node.path, role: $0) }
      case .image, .timestep, .label, .sinusoidalEmbedding, .fourierEmbedding, .embedding, .groupNorm, .activation,
        .softmax, .add, .addPerChannel, .scaleShift, .affine, .divideByTimestep, .concatenate, .upsampleNearest,
        .averagePool, .pool, .toTokens,
        .fromTokens, .globalAveragePool:
        []
      }
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
