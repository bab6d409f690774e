import Diffusion
import Graphs
import Platform
import Tensors

/// Values of the operations on one number, the timestep or the label. One definition for every executor: evaluated once
/// per step, so the C library's exp, sin and cos do. In Float and in diffusers' order of operations, because at t = 999
/// a Double evaluation differs by 2.6e-5.
enum TemporalEmbedding {
  /// The value of a node whose operand is the timestep or the label.
  /// - Precondition: `graph.check` accepted the number that the operand stands for.
  static func values(of node: Node, number: Double, parameters: [String: Tensor]) -> [Float] {
    if case .sinusoidalEmbedding(let embedding) = node.op { return sinusoids(embedding, Float(number)) }
    if case .fourierEmbedding(let weight, let flip) = node.op {
      return fourier(parameters[weight]!.values, Float(number), flipSinToCos: flip)
    }
    guard case .embedding(let table) = node.op else { preconditionFailure("\(node.path) is no embedding") }
    return parameters[table]!.rows(Int(number)..<(Int(number) + 1)).values
  }

  /// sin and cos of t f_j, with the frequencies f_j of the embedding (Vaswani et al. 2017, section 3.5; Ho et al. 2020);
  /// an odd width ends in a zero.
  static func sinusoids(_ embedding: SinusoidalEmbedding, _ t: Float) -> [Float] {
    arranged(embedding.frequencies.map { t * $0 }, flipSinToCos: embedding.flipSinToCos)
      + (embedding.width % 2 == 1 ? [0] : [])
  }

  /// sin and cos of 2 pi w ln t (Song et al. 2021, appendix C).
  static func fourier(_ frequencies: [Float], _ t: Float, flipSinToCos: Bool) -> [Float] {
    let logarithm = logf(t)
    return arranged(frequencies.map { logarithm * $0 * 2 * Float(Double.pi) }, flipSinToCos: flipSinToCos)
  }

  private static func arranged(_ angles: [Float], flipSinToCos: Bool) -> [Float] {
    let (sines, cosines) = (angles.map { sinf($0) }, angles.map { cosf($0) })
    return flipSinToCos ? cosines + sines : sines + cosines
  }
}
