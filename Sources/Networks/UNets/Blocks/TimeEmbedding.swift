import Graphs
import Tensors

extension GraphBuilder {
  /// The embedding of the timestep, plus that of the class label for class-conditional networks. t: [] -> [E].
  mutating func timeEmbedding(_ configuration: UNet2DConfiguration, _ t: Value) -> Value {
    region("time_embedding", .timeEmbedding, inScope: false) { g in
      let width = configuration.timeEmbeddingWidth
      let projected = g.timeProjection("time_proj", configuration, t)
      let temb = g.embeddingNetwork("time_embedding", projected, width: width)
      switch configuration.classEmbedding {
      case nil: return temb
      case .table(let classes):
        let row = g.embedding("class_embedding", g.label(classes: classes), rows: classes, width: width)
        return g.add("time_and_class", temb, row)
      case .timestep(let classes):
        let projected = g.timeProjection("class_proj", configuration, g.label(classes: classes))
        return g.add("time_and_class", temb, g.embeddingNetwork("class_embedding", projected, width: width))
      }
    }
  }

  /// A number as a vector of the first level's width (twice that for Fourier features).
  private mutating func timeProjection(_ name: String, _ configuration: UNet2DConfiguration, _ number: Value) -> Value {
    let width = configuration.blockOutChannels[0]
    switch configuration.timeEmbedding {
    case .positional:
      return sinusoidalEmbedding(
        name, number,
        SinusoidalEmbedding(
          width: width, flipSinToCos: configuration.flipSinToCos, frequencyShift: Float(configuration.freqShift)))
    case .fourier:
      // diffusers does not hand `flip_sin_to_cos` to this embedding: sines always come first.
      return fourierEmbedding(name, number, count: width, flipSinToCos: false)
    case .learned:
      return embedding(name, number, rows: configuration.trainTimesteps ?? 1, width: width)
    }
  }

  /// Linear, SiLU, linear.
  private mutating func embeddingNetwork(_ name: String, _ x: Value, width: Int) -> Value {
    scope(name) { g in
      let hidden = g.activation("act", g.linear("linear_1", x, out: width), .silu)
      return g.linear("linear_2", hidden, out: width)
    }
  }
}
