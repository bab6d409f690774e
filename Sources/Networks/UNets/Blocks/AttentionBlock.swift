import Graphs
import Tensors

/// What all attention blocks on one way through a network share.
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

  /// Of the normalisation in front; nil for none.
  package var groups: Int?
  package var epsilon: Float
  package var heads: Heads
}

extension GraphBuilder {
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
