import Diffusion
import Execution
import Graphs
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
    _ body: (inout GraphBuilder) -> Value
  ) {
    self.name = name
    let shape = ImageShape(channels: channels, height: height, width: width)
    var builder = GraphBuilder(imageShape: shape, classCount: classes)
    let output = body(&builder)
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
      labels: classes.map { classes in (0..<batch).map { $0 % classes } })
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
    ExecutorCase("3x3", channels: 3, height: 5, width: 7) { g in g.conv2d("conv", g.image(), out: 33) },
    ExecutorCase("1x1", channels: 20, height: 4, width: 3) { g in g.conv2d("conv", g.image(), out: 40, kernel: 1) },
    ExecutorCase("stride 2 padded all around", channels: 5, height: 6, width: 8) { g in
      g.conv2d("conv", g.image(), out: 16, stride: 2)
    },
    ExecutorCase("stride 2 padded bottom and right", channels: 5, height: 6, width: 8) { g in
      g.conv2d("conv", g.image(), out: 7, stride: 2, padding: .init(leading: 0, trailing: 1))
    },
    ExecutorCase("5x5 without padding", channels: 2, height: 9, width: 6) { g in
      g.conv2d("conv", g.image(), out: 3, kernel: 5, padding: .init(leading: 0, trailing: 0))
    },
    ExecutorCase("norm, activation, convolution", channels: 12, height: 6, width: 5) { g in
      g.conv2d("conv", g.activation("act", g.groupNorm("norm", g.image(), groups: 4, epsilon: 1e-5), .silu), out: 8)
    },
    ExecutorCase("every activation", channels: 18, height: 3, width: 5) { g in
      var x = g.image()
      for kind in Activation.allCases { x = g.conv2d("conv_\(kind)", g.activation("act_\(kind)", x, kind), out: 18) }
      return x
    },
    ExecutorCase("activation alone", channels: 3, height: 3, width: 5) { g in g.activation("act", g.image(), .gelu) },
    ExecutorCase("concatenation read twice", channels: 6, height: 4, width: 4) { g in
      let a = g.conv2d("a", g.image(), out: 20)
      let b = g.conv2d("b", a, out: 12)
      let joined = g.concatenate("joined", b, a)
      let h = g.conv2d(
        "conv", g.activation("act2", g.groupNorm("norm", joined, groups: 4, epsilon: 1e-6), .silu), out: 10)
      return g.add("sum", g.conv2d("shortcut", joined, out: 10, kernel: 1), h)
    },
    ExecutorCase("concatenation written", channels: 3, height: 4, width: 4) { g in
      let a = g.conv2d("a", g.image(), out: 5)
      return g.affine("scaled", g.concatenate("joined", a, g.image()), scale: 0.7, offset: 0.1)
    },
    ExecutorCase("residual block", channels: 8, height: 6, width: 6) { g in
      let temb = temporal(&g, width: 8)
      let x = g.conv2d("stem", g.image(), out: 16)
      var h = g.conv2d("conv1", g.activation("act1", g.groupNorm("norm1", x, groups: 4, epsilon: 1e-5), .silu), out: 16)
      h = g.addPerChannel("add_time", h, g.linear("time", g.activation("time_act2", temb, .silu), out: 16))
      h = g.conv2d("conv2", g.activation("act2", g.groupNorm("norm2", h, groups: 4, epsilon: 1e-5), .silu), out: 16)
      return g.affine("rescaled", g.add("sum", x, h), scale: 0.5)
    },
    ExecutorCase("scale and shift by the time", channels: 8, height: 6, width: 6) { g in
      let temb = temporal(&g, width: 8)
      let h = g.scaleShift(
        "scale_shift", g.groupNorm("norm", g.image(), groups: 2, epsilon: 1e-5), g.linear("time", temb, out: 16))
      return g.conv2d("conv", g.activation("act", h, .silu), out: 4)
    },
    ExecutorCase("upsampling", channels: 6, height: 3, width: 5) { g in
      let x = g.upsampleNearest(
        "up", g.activation("act", g.groupNorm("norm", g.image(), groups: 3, epsilon: 1e-5), .silu))
      return g.conv2d("conv", x, out: 9)
    },
    ExecutorCase("pooling", channels: 6, height: 4, width: 6) { g in
      g.conv2d("conv", g.averagePool("pool", g.activation("act", g.image(), .relu)), out: 9)
    },
    ExecutorCase("windows with and without padding", channels: 5, height: 9, width: 8) { g in
      let x = g.conv2d("conv", g.image(), out: 36)
      let largest = g.pool("largest", x, Pooling(.maximum, size: 3, stride: 2, padding: 0))
      let mean = g.pool("mean", largest, Pooling(.mean, size: 3, stride: 1, padding: 1))
      let widest = g.pool("widest", largest, Pooling(.maximum, size: 3, stride: 1, padding: 1))
      return g.conv2d("out", g.concatenate("joined", mean, widest), out: 7, kernel: 1)
    },
    ExecutorCase("kernels that are not square", channels: 6, height: 9, width: 5) { g in
      let x = g.activation("act", g.image(), .relu)
      let wide = g.conv2d("wide", x, out: 8, kernel: (1, 7), padding: .init(rows: 0, columns: 3))
      let high = g.conv2d("high", wide, out: 8, kernel: (7, 1), padding: .init(rows: 3, columns: 0))
      let large = g.conv2d("large", x, out: 5, kernel: 5)
      let bare = g.conv2d(
        "bare", g.concatenate("joined", high, large), out: 9, kernel: (3, 2), stride: 2,
        padding: .init(rows: 0, columns: 1))
      return g.activation("last", bare, .relu)
    },
    ExecutorCase("features", channels: 3, height: 8, width: 8) { g in
      let h = g.conv2d("conv", g.image(), out: 40, stride: 2)
      return g.linear("fc", g.globalAveragePool("pool", g.activation("act", h, .silu)), out: 10)
    },
    ExecutorCase("attention, one head", channels: 12, height: 5, width: 7) { g in attention(&g, heads: 1) },
    ExecutorCase("attention, three heads", channels: 12, height: 4, width: 4) { g in attention(&g, heads: 3) },
    ExecutorCase("attention, heads of two kinds of blocks", channels: 76, height: 6, width: 7) { g in
      attention(&g, heads: 2)
    },
    ExecutorCase("class label", channels: 4, height: 4, width: 4, classes: 5) { g in
      let temb = temporal(&g, width: 8)
      let sum = g.add("emb", temb, g.embedding("class", g.label(), rows: 5, width: 16))
      let h = g.conv2d("conv", g.image(), out: 16)
      return g.conv2d("out", g.addPerChannel("add_time", h, g.linear("time", sum, out: 16)), out: 4)
    },
  ]

  private static func attention(_ g: inout GraphBuilder, heads: Int) -> Value {
    let x = g.image()
    let (c, h, w) = (g.dims(of: x)[0], g.dims(of: x)[1], g.dims(of: x)[2])
    let tokens = g.toTokens("tokens", g.groupNorm("norm", x, groups: 4, epsilon: 1e-5))
    let (q, k, v) = (g.linear("q", tokens, out: c), g.linear("k", tokens, out: c), g.linear("v", tokens, out: c))
    let scores = g.attentionScores("scores", q, k, heads: heads, scale: 1 / (Float(c / heads)).squareRoot())
    let values = g.attentionValues("values", g.softmax("softmax", scores), v, heads: heads)
    let out = g.fromTokens("image_out", g.linear("proj", values, out: c), height: h, width: w)
    return g.add("sum", out, x)
  }
}
