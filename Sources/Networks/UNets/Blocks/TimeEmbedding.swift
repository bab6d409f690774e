import Graphs
import Tensors

extension GraphBuilder {
  /// The embedding of the timestep, plus that of the class label for class-conditional networks. t: [] -> [E].
  mutating func timeEmbedding(_ plan: UNetPlan, _ t: Value) -> Value {
    region("time_embedding", .timeEmbedding, inScope: false) { g in
      let width = plan.embeddingWidth
      let projected = g.timeProjection("time_proj", plan.timeProjection, t)
      let temb = g.embeddingNetwork("time_embedding", projected, width: width)
      switch plan.classEmbedding {
      case nil: return temb
      case .table(let classes):
        let row = g.embedding("class_embedding", g.label(classes: classes), rows: classes, width: width)
        return g.add("time_and_class", temb, row)
      case .timestep(let classes):
        let projected = g.timeProjection("class_proj", plan.timeProjection, g.label(classes: classes))
        return g.add("time_and_class", temb, g.embeddingNetwork("class_embedding", projected, width: width))
      }
    }
  }

  /// A number as a vector.
  private mutating func timeProjection(
    _ name: String, _ projection: UNetPlan.TimeProjection, _ number: Value
  ) -> Value {
    switch projection {
    case .sinusoidal(let embedding): sinusoidalEmbedding(name, number, embedding)
    case .fourier(let count): fourierEmbedding(name, number, count: count, flipSinToCos: false)
    case .learned(let rows, let width): embedding(name, number, rows: rows, width: width)
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
