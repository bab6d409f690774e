import Graphs
import Tensors

extension GraphBuilder {
  /// Of every layer normalisation in a transformer block, whatever the network's group normalisations have.
  private static let layerNormEpsilon: Float = 1e-5

  /// Transformer blocks on the pixels of an image as tokens, with a residual connection around all of them (Rombach et al.
  /// 2022, section 3.3 and appendix E.2.1). x: C H W -> C H W. Checkpoints store the projections in front and behind as 1x1
  /// convolutions or as linear layers, which is the same function.
  /// - Parameter context: [S, W]; nil where the style takes none.
  package mutating func spatialTransformer(
    _ name: String, _ x: Value, context: Value?, _ style: AttentionStyle
  ) -> Value {
    region(name, .attention) { g in
      let dims = g.dims(of: x)
      let channels = dims[0]
      let normed = style.groups.map { g.groupNorm("norm", x, groups: $0, epsilon: style.epsilon) } ?? x
      let headWidth = style.heads.width(of: channels)
      let inner = channels / headWidth * headWidth
      var h = g.linear("proj_in", g.toTokens("tokens", normed), out: inner)
      for block in 0..<(style.transformer?.depth ?? 1) {
        h = g.scope("transformer_blocks.\(block)") {
          $0.transformerBlock(h, context: style.transformer?.takesContext == true ? context : nil, headWidth: headWidth)
        }
      }
      let projected = g.linear("proj_out", h, out: channels)
      return g.add("add", x, g.fromTokens("image", projected, height: dims[1], width: dims[2]))
    }
  }

  /// Self-attention, attention to the context or to the tokens again, and a feed-forward network with GEGLU, four times as
  /// wide; each behind a layer normalisation and with a residual connection. x: T C -> T C.
  private mutating func transformerBlock(_ x: Value, context: Value?, headWidth: Int) -> Value {
    let width = channels(of: x)
    let first = layerNorm("norm1", x, epsilon: Self.layerNormEpsilon)
    var h = add("add1", attention("attn1", from: first, to: first, headWidth: headWidth), x)
    let second = layerNorm("norm2", h, epsilon: Self.layerNormEpsilon)
    h = add("add2", attention("attn2", from: second, to: context ?? second, headWidth: headWidth), h)
    let third = layerNorm("norm3", h, epsilon: Self.layerNormEpsilon)
    let hidden = geglu("ff.net.0", linear("ff.net.0.proj", third, out: 8 * width))
    return add("add3", linear("ff.net.2", hidden, out: width), h)
  }

  /// Attention of tokens to others, its three projections without bias.
  private mutating func attention(_ name: String, from x: Value, to other: Value, headWidth: Int) -> Value {
    scope(name) { g in
      let width = g.channels(of: x)
      let queries = g.linear("to_q", x, out: width, bias: false)
      let keys = g.linear("to_k", other, out: width, bias: false)
      let values = g.linear("to_v", other, out: width, bias: false)
      let mixed = g.attention(
        queries: queries, keys: keys, values: values, heads: width / headWidth,
        scale: Float(1 / Double(headWidth).squareRoot()))
      return g.linear("to_out.0", mixed, out: width)
    }
  }
}
