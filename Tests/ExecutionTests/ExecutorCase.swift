import Diffusion
import Execution
import Graphs
import Networks
import Tensors
import TestSupport
import Testing

/// A small network with random weights and inputs, on which executors are compared.
struct ExecutorCase: CustomTestStringConvertible, Sendable {
  let name: String
  let model: Model
  let input: NetworkInput
  var testDescription: String { name }

  init(
    _ name: String, channels: Int, height: Int, width: Int, classes: Int? = nil, batch: Int = 2,
    _ body: (inout GraphBuilder, _ image: Value) -> Value
  ) {
    self.name = name
    let shape = ImageShape(channels: channels, height: height, width: width)
    var builder = GraphBuilder()
    let image = builder.sample(shape)
    let output = body(&builder, image)
    let graph = try! builder.finish(output: output)
    var random = SplitMix64(UInt64(name.utf8.reduce(7) { $0 &* 31 &+ Int($1) } & 0xffff_ffff))
    var parameters: [String: Tensor] = [:]
    for parameter in graph.parameters {
      // Fan-in scaling keeps activations near one through every depth.
      let scale = parameter.dims.count > 1 ? 1.7 / Float(parameter.dims.dropFirst().reduce(1, *)).squareRoot() : 0.3
      parameters[parameter.name] = Tensor(parameter.dims, random.floats(parameter.count).map { $0 * scale })
    }
    model = Model(graph: graph, parameters: parameters)
    input = NetworkInput(
      x: Tensor([batch] + shape.dims, random.floats(batch * shape.count)),
      timesteps: (0..<batch).map { Timestep(37 + 411 * $0) },
      conditioning: (0..<batch).map { graph.conditioning.random(label: $0, &random) })
  }

  init(_ name: String, model: Model, input: NetworkInput) {
    self.name = name
    self.model = model
    self.input = input
  }

  static func temporal(_ g: inout GraphBuilder, width: Int) -> Value {
    let t = g.timestep()
    let embedding = g.sinusoidalEmbedding(
      "time_proj", t, SinusoidalEmbedding(width: width, flipSinToCos: false, frequencyShift: 1))
    return g.linear(
      "time_2", g.activation("time_act", g.linear("time_1", embedding, out: 2 * width), .silu), out: 2 * width)
  }

  static let all: [ExecutorCase] = [
    ExecutorCase("3x3", channels: 3, height: 5, width: 7) { g, image in g.conv2d("conv", image, out: 33) },
    ExecutorCase("1x1", channels: 20, height: 4, width: 3) { g, image in g.conv2d("conv", image, out: 40, kernel: 1) },
    ExecutorCase("stride 2 padded all around", channels: 5, height: 6, width: 8) { g, image in
      g.conv2d("conv", image, out: 16, stride: 2)
    },
    ExecutorCase("stride 2 padded bottom and right", channels: 5, height: 6, width: 8) { g, image in
      g.conv2d("conv", image, out: 7, stride: 2, padding: .init(leading: 0, trailing: 1))
    },
    ExecutorCase("5x5 without padding", channels: 2, height: 9, width: 6) { g, image in
      g.conv2d("conv", image, out: 3, kernel: 5, padding: .init(leading: 0, trailing: 0))
    },
    ExecutorCase("norm, activation, convolution", channels: 12, height: 6, width: 5) { g, image in
      g.conv2d("conv", g.activation("act", g.groupNorm("norm", image, groups: 4, epsilon: 1e-5), .silu), out: 8)
    },
    ExecutorCase("every activation", channels: 18, height: 3, width: 5) { g, image in
      var x = image
      for kind in Activation.allCases { x = g.conv2d("conv_\(kind)", g.activation("act_\(kind)", x, kind), out: 18) }
      return x
    },
    ExecutorCase("activation alone", channels: 3, height: 3, width: 5) { g, image in g.activation("act", image, .gelu)
    },
    ExecutorCase("concatenation read twice", channels: 6, height: 4, width: 4) { g, image in
      let a = g.conv2d("a", image, out: 20)
      let b = g.conv2d("b", a, out: 12)
      let joined = g.concatenate("joined", b, a)
      let h = g.conv2d(
        "conv", g.activation("act2", g.groupNorm("norm", joined, groups: 4, epsilon: 1e-6), .silu), out: 10)
      return g.add("sum", g.conv2d("shortcut", joined, out: 10, kernel: 1), h)
    },
    ExecutorCase("concatenation written", channels: 3, height: 4, width: 4) { g, image in
      let a = g.conv2d("a", image, out: 5)
      return g.affine("scaled", g.concatenate("joined", a, image), scale: 0.7, offset: 0.1)
    },
    ExecutorCase("residual block", channels: 8, height: 6, width: 6) { g, image in
      let temb = temporal(&g, width: 8)
      let x = g.conv2d("stem", image, out: 16)
      var h = g.conv2d("conv1", g.activation("act1", g.groupNorm("norm1", x, groups: 4, epsilon: 1e-5), .silu), out: 16)
      h = g.addPerChannel("add_time", h, g.linear("time", g.activation("time_act2", temb, .silu), out: 16))
      h = g.conv2d("conv2", g.activation("act2", g.groupNorm("norm2", h, groups: 4, epsilon: 1e-5), .silu), out: 16)
      return g.affine("rescaled", g.add("sum", x, h), scale: 0.5)
    },
    ExecutorCase("scale and shift by the time", channels: 8, height: 6, width: 6) { g, image in
      let temb = temporal(&g, width: 8)
      let h = g.scaleShift(
        "scale_shift", g.groupNorm("norm", image, groups: 2, epsilon: 1e-5), g.linear("time", temb, out: 16))
      return g.conv2d("conv", g.activation("act", h, .silu), out: 4)
    },
    ExecutorCase("upsampling", channels: 6, height: 3, width: 5) { g, image in
      let x = g.upsampleNearest(
        "up", g.activation("act", g.groupNorm("norm", image, groups: 3, epsilon: 1e-5), .silu))
      return g.conv2d("conv", x, out: 9)
    },
    ExecutorCase("pooling", channels: 6, height: 4, width: 6) { g, image in
      g.conv2d("conv", g.averagePool("pool", g.activation("act", image, .relu)), out: 9)
    },
    ExecutorCase("windows with and without padding", channels: 5, height: 9, width: 8) { g, image in
      let x = g.conv2d("conv", image, out: 36)
      let largest = g.pool("largest", x, Pooling(.maximum, size: 3, stride: 2, padding: 0))
      let mean = g.pool("mean", largest, Pooling(.mean, size: 3, stride: 1, padding: 1))
      let widest = g.pool("widest", largest, Pooling(.maximum, size: 3, stride: 1, padding: 1))
      return g.conv2d("out", g.concatenate("joined", mean, widest), out: 7, kernel: 1)
    },
    ExecutorCase("kernels that are not square", channels: 6, height: 9, width: 5) { g, image in
      let x = g.activation("act", image, .relu)
      let wide = g.conv2d("wide", x, out: 8, kernel: (1, 7), padding: .init(rows: 0, columns: 3))
      let high = g.conv2d("high", wide, out: 8, kernel: (7, 1), padding: .init(rows: 3, columns: 0))
      let large = g.conv2d("large", x, out: 5, kernel: 5)
      let bare = g.conv2d(
        "bare", g.concatenate("joined", high, large), out: 9, kernel: (3, 2), stride: 2,
        padding: .init(rows: 0, columns: 1))
      return g.activation("last", bare, .relu)
    },
    ExecutorCase("features", channels: 3, height: 8, width: 8) { g, image in
      let h = g.conv2d("conv", image, out: 40, stride: 2)
      return g.linear("fc", g.globalAveragePool("pool", g.activation("act", h, .silu)), out: 10)
    },
    ExecutorCase("attention, one head", channels: 12, height: 5, width: 7) { g, image in attention(&g, image, heads: 1)
    },
    ExecutorCase("attention, three heads", channels: 12, height: 4, width: 4) { g, image in
      attention(&g, image, heads: 3)
    },
    ExecutorCase("attention, heads of two kinds of blocks", channels: 76, height: 6, width: 7) { g, image in
      attention(&g, image, heads: 2)
    },
    ExecutorCase("class label", channels: 4, height: 4, width: 4, classes: 5) { g, image in
      let temb = temporal(&g, width: 8)
      let sum = g.add("emb", temb, g.embedding("class", g.label(classes: 5), rows: 5, width: 16))
      let h = g.conv2d("conv", image, out: 16)
      return g.conv2d("out", g.addPerChannel("add_time", h, g.linear("time", sum, out: 16)), out: 4)
    },
    ExecutorCase("attention to a context", channels: 8, height: 3, width: 4) { g, image in
      crossAttention(&g, image, heads: 2)
    },
    ExecutorCase("layer norm and GEGLU before linear layers", channels: 20, height: 3, width: 5) { g, image in
      let x = g.linear("proj_in", g.toTokens("tokens", g.groupNorm("norm", image, groups: 4, epsilon: 1e-6)), out: 20)
      let normed = g.layerNorm("norm1", x, epsilon: 1e-5)
      let hidden = g.geglu("gated", g.linear("proj", normed, out: 2 * 36))
      let y = g.add("sum", g.linear("out", hidden, out: 20), x)
      return g.fromTokens("image_out", g.linear("proj_out", y, out: 7), height: 3, width: 5)
    },
    ExecutorCase("layer norm and GEGLU by themselves", channels: 18, height: 2, width: 5) { g, image in
      let tokens = g.toTokens("tokens", g.activation("act", image, .silu))
      let gated = g.geglu("gated", g.layerNorm("norm1", tokens, epsilon: 1e-5))
      return g.fromTokens("image_out", g.layerNorm("norm2", gated, epsilon: 1e-5), height: 2, width: 5)
    },
    ExecutorCase("transformer blocks with a context of one token", channels: 16, height: 3, width: 4) { g, image in
      let style = AttentionStyle(
        groups: 4, epsilon: 1e-6, heads: .count(2), transformer: .init(depth: 2, takesContext: true))
      let context = g.context(tokens: 1, width: 12)
      let x = g.spatialTransformer("transformer", image, context: context, style)
      return g.conv2d("out", x, out: 3, kernel: 1)
    },
    ExecutorCase("a transformer block without a context", channels: 16, height: 3, width: 4) { g, image in
      let style = AttentionStyle(
        groups: 2, epsilon: 1e-6, heads: .width(8), transformer: .init(depth: 1, takesContext: false))
      return g.spatialTransformer("transformer", image, context: nil, style)
    },
    ExecutorCase("attention in blocks of queries", channels: 4, height: 26, width: 29) { g, image in
      // 754 queries and keys exceed a block's numbers.
      attention(&g, image, heads: 2)
    },
    ExecutorCase("a vector beside the timestep", channels: 4, height: 4, width: 4) { g, image in
      let sum = g.add("emb", temporal(&g, width: 8), g.linear("sizes_1", g.vector("sizes", count: 6), out: 16))
      return g.addPerChannel("add_time", g.conv2d("conv", image, out: 7), g.linear("time", sum, out: 7))
    },
  ]

  /// Queries from the image, keys and values, twice as wide, from the image's own context of 5 tokens.
  private static func crossAttention(_ g: inout GraphBuilder, _ x: Value, heads: Int) -> Value {
    let context = g.context(tokens: 5, width: 6)
    let (c, h, w) = (g.dims(of: x)[0], g.dims(of: x)[1], g.dims(of: x)[2])
    let q = g.linear("q", g.toTokens("tokens", x), out: c, bias: false)
    let (k, v) = (g.linear("k", context, out: c, bias: false), g.linear("v", context, out: 2 * c))
    let mixed = g.attention(queries: q, keys: k, values: v, heads: heads, scale: 0.7)
    return g.add("sum", g.fromTokens("image_out", g.linear("proj", mixed, out: c), height: h, width: w), x)
  }

  private static func attention(_ g: inout GraphBuilder, _ x: Value, heads: Int) -> Value {
    let (c, h, w) = (g.dims(of: x)[0], g.dims(of: x)[1], g.dims(of: x)[2])
    let tokens = g.toTokens("tokens", g.groupNorm("norm", x, groups: 4, epsilon: 1e-5))
    let (q, k, v) = (g.linear("q", tokens, out: c), g.linear("k", tokens, out: c), g.linear("v", tokens, out: c))
    let values = g.attention(queries: q, keys: k, values: v, heads: heads, scale: 1 / (Float(c / heads)).squareRoot())
    let out = g.fromTokens("image_out", g.linear("proj", values, out: c), height: h, width: w)
    return g.add("sum", out, x)
  }
}

extension ConditioningForm {
  /// A conditioning of this form: class `label`, random numbers for everything else.
  func random(label: Int, _ random: inout SplitMix64) -> Conditioning {
    var conditioning = example(label: label)
    if let context {
      conditioning.context = Context(
        Tensor([context.tokens, context.width], random.floats(context.tokens * context.width)))
    }
    for name in vectors.keys.sorted() { conditioning.vectors[name] = random.floats(vectors[name]!) }
    return conditioning
  }
}
