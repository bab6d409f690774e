import Graphs
import Tensors

/// What attention blocks of one kind share.
package struct AttentionStyle: Sendable, Equatable {
  package enum Heads: Sendable, Equatable {
    /// So many, whatever the channels.
    case count(Int)
    /// So many channels each, and as many heads as fit whole: queries, keys and values may be narrower than the image.
    case width(Int)

    /// Channels of each head. - Precondition: there is one, at least, which configurations check.
    package func width(of channels: Int) -> Int {
      switch self {
      case .count(let count): channels / count
      case .width(let width): width
      }
    }

    /// Whether the heads have whole channels.
    package func divide(_ channels: Int) -> Bool {
      switch self {
      case .count(let number), .width(let number): number > 0 && channels % number == 0
      }
    }
  }

  /// Blocks of a spatial transformer instead of one self-attention.
  package struct Transformer: Sendable, Equatable {
    /// Transformer blocks, one after another.
    package var depth: Int
    /// Whether the second attention of each block looks at the network's context; otherwise at the image again.
    package var takesContext: Bool

    package init(depth: Int, takesContext: Bool) {
      self.depth = depth
      self.takesContext = takesContext
    }
  }

  /// Of the normalisation in front; nil for none.
  package var groups: Int?
  package var epsilon: Float
  package var heads: Heads
  package var transformer: Transformer?

  package init(groups: Int?, epsilon: Float, heads: Heads, transformer: Transformer? = nil) {
    self.groups = groups
    self.epsilon = epsilon
    self.heads = heads
    self.transformer = transformer
  }
}

extension GraphBuilder {
  /// The attention that `style` asks for. x: C H W -> C H W.
  /// - Parameters: context: of the network, where it has one; divisor: as for `attentionBlock`.
  mutating func attention(
    _ name: String, _ x: Value, context: Value?, _ style: AttentionStyle, divisor: Double = 1
  ) -> Value {
    style.transformer == nil
      ? attentionBlock(name, x, style, divisor: divisor) : spatialTransformer(name, x, context: context, style)
  }

  /// Self-attention over the positions of an image with a residual connection (Vaswani et al. 2017, section 3.2.2; in
  /// U-Nets Ho et al. 2020, App. B). x: C H W -> C H W.
  /// - Parameter divisor: what the sum with the residual is divided by (`rescale_output_factor`).
  mutating func attentionBlock(_ name: String, _ x: Value, _ style: AttentionStyle, divisor: Double = 1) -> Value {
    region(name, .attention) { g in
      let dims = g.dims(of: x)
      let headWidth = style.heads.width(of: dims[0])
      let heads = dims[0] / headWidth
      let inner = heads * headWidth
      let normed = style.groups.map { g.groupNorm("group_norm", x, groups: $0, epsilon: style.epsilon) } ?? x
      let tokens = g.toTokens("tokens", normed)
      let queries = g.linear("to_q", tokens, out: inner)
      let keys = g.linear("to_k", tokens, out: inner)
      let values = g.linear("to_v", tokens, out: inner)
      let scale = Float(1 / Double(headWidth).squareRoot())
      let mixed = g.attention(queries: queries, keys: keys, values: values, heads: heads, scale: scale)
      let projected = g.linear("to_out.0", mixed, out: dims[0])
      let image = g.fromTokens("image", projected, height: dims[1], width: dims[2])
      return g.divide(g.add("add", x, image), by: divisor)
    }
  }
}
