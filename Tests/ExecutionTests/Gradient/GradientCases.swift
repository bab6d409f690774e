import Diffusion
import Graphs
import Tensors

extension ExecutorCase {
  /// The executors' cases and what they lack of the operations.
  static let differentiable: [ExecutorCase] =
    all + [
      ExecutorCase("Fourier features and division by the noise level", channels: 3, height: 4, width: 4) { g, image in
        let t = g.timestep()
        let features = g.fourierEmbedding("fourier", t, count: 6, flipSinToCos: false)
        let h = g.addPerChannel("add_time", g.conv2d("conv", image, out: 5), g.linear("time", features, out: 5))
        return g.divideByTimestep("divide", h, t)
      },
      ExecutorCase("Fourier features, cosines first", channels: 2, height: 3, width: 3) { g, image in
        let features = g.fourierEmbedding("fourier", g.timestep(), count: 4, flipSinToCos: true)
        return g.addPerChannel("add_time", image, g.linear("time", features, out: 2))
      },
      ExecutorCase("learned time", channels: 2, height: 3, width: 3) { g, image in
        let row = g.embedding("table", g.timestep(), rows: 500, width: 4)
        return g.addPerChannel("add_time", image, g.linear("time", row, out: 2))
      },
      ExecutorCase("odd pooling", channels: 3, height: 5, width: 7) { g, image in
        let pooled = g.averagePool("pool", image)
        return g.conv2d("conv", g.upsampleNearest("up", pooled), out: 4)
      },
      ExecutorCase("a value read four times", channels: 6, height: 4, width: 4) { g, image in
        let x = g.conv2d("stem", image, out: 6)
        let up = g.averagePool("down", g.upsampleNearest("up", x))
        let sum = g.add("twice", x, g.add("up_sum", x, up))
        let joined = g.concatenate("joined", sum, g.activation("act", x, .mish))
        let spread = g.scaleShift(
          "scale_shift", joined, g.globalAveragePool("mean", g.concatenate("two", joined, joined)))
        return g.affine("half", spread, scale: 0.5, offset: 1)
      },
      ExecutorCase("gates and normalised tokens read twice", channels: 6, height: 3, width: 3) { g, image in
        let tokens = g.toTokens("tokens", image)
        let normed = g.layerNorm("norm", tokens, epsilon: 1e-5)
        let gated = g.geglu("gated", g.linear("proj", g.add("twice", normed, normed), out: 12))
        let sum = g.add("sum", g.add("inner", gated, normed), tokens)
        return g.fromTokens("image_out", g.add("outer", sum, gated), height: 3, width: 3)
      },
      ExecutorCase("tokens read as image and as tokens", channels: 8, height: 3, width: 5) { g, image in
        let tokens = g.toTokens("tokens", g.activation("act", image, .silu))
        let mixed = g.add("sum", g.linear("proj", tokens, out: 8), tokens)
        return g.fromTokens("image_out", mixed, height: 3, width: 5)
      },
    ]
}

extension Op {
  /// The operation's name. Without a default: a new operation does not compile until it is listed here and in `allNames`.
  var name: String {
    switch self {
    case .input(let input):
      switch input.meaning {
      case .sample: "sample"
      case .timestep: "timestep"
      case .label: "label"
      case .context: "context"
      case .vector: "vector"
      }
    case .sinusoidalEmbedding: "sinusoidalEmbedding"
    case .fourierEmbedding: "fourierEmbedding"
    case .embedding: "embedding"
    case .conv2d: "conv2d"
    case .linear: "linear"
    case .attention: "attention"
    case .groupNorm: "groupNorm"
    case .layerNorm: "layerNorm"
    case .geglu: "geglu"
    case .activation(let kind): "activation \(kind)"
    case .add: "add"
    case .addPerChannel: "addPerChannel"
    case .scaleShift: "scaleShift"
    case .affine: "affine"
    case .divideByTimestep: "divideByTimestep"
    case .concatenate: "concatenate"
    case .upsampleNearest: "upsampleNearest"
    case .averagePool: "averagePool"
    case .pool(let pooling): "pool \(pooling.kind)"
    case .toTokens: "toTokens"
    case .fromTokens: "fromTokens"
    case .globalAveragePool: "globalAveragePool"
    }
  }

  static let allNames: Set<String> = Set(
    [
      "sample", "timestep", "label", "context", "vector", "sinusoidalEmbedding", "fourierEmbedding", "embedding",
      "conv2d", "linear",
      "attention", "groupNorm", "layerNorm", "geglu", "add", "addPerChannel", "scaleShift", "affine",
      "divideByTimestep", "concatenate", "upsampleNearest", "averagePool", "pool maximum", "pool mean", "toTokens",
      "fromTokens",
      "globalAveragePool",
    ] + Activation.allCases.map { "activation \($0)" })
}
