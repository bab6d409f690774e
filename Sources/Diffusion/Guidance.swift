import Tensors

/// Classifier-free guidance (Ho and Salimans 2022, "Classifier-free diffusion guidance", equation 6): how far a prediction is
/// pushed from what the network says without the condition.
package struct Guidance: Sendable, Hashable {
  /// S of e_u + S (e_c - e_u): 1 is the conditional prediction alone.
  package let scale: Double
  /// phi, from 0 to 1: how much of the guided prediction is rescaled to the deviation of the conditional one (Lin et al. 2024,
  /// section 3.4, equations 15 and 16).
  package let rescale: Double
  /// What the network is conditioned on for e_u.
  package let unconditional: Conditioning

  package init(scale: Double, rescale: Double = 0, unconditional: Conditioning) {
    self.scale = scale
    self.rescale = rescale
    self.unconditional = unconditional
  }

  /// Whether the conditional prediction is all that is needed.
  package var isOff: Bool { scale == 1 }

  /// The guided prediction of e_u and e_c, N C H W both; each image has its own deviations.
  package func applied(unconditional: Tensor, conditional: Tensor) -> Tensor {
    let guided = Tensor.combining(1 - scale, unconditional, scale, conditional)
    guard rescale > 0 else { return guided }
    let images = guided.dims[0]
    return .stacked(
      (0..<images).map { image in
        let rows = image..<image + 1
        let plain = guided.rows(rows)
        let (wanted, found) = (Self.deviation(conditional.rows(rows)), Self.deviation(plain))
        // An image without any deviation stays as it is.
        let factor = found > 0 ? wanted / found : 1
        return .combining([(rescale * factor + 1 - rescale, plain)])
      })
  }

  /// The deviation of all elements from their mean, with one less than their number as divisor.
  private static func deviation(_ tensor: Tensor) -> Double {
    let count = Double(tensor.count)
    let mean = tensor.values.reduce(0) { $0 + Double($1) } / count
    let squares = tensor.values.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
    return (squares / max(count - 1, 1)).squareRoot()
  }
}

/// A network whose predictions are guided. It is called once a step for each of the two branches, both in one batch unless told
/// otherwise; results do not depend on that, since images do not depend on their batch.
///
/// The combination is linear, so it means the same for predictions of epsilon, x_0 and v; rescaling acts on what the network
/// predicts, whatever it is. A learned variance is the conditional branch's.
package struct GuidedDenoiser: Denoiser {
  private let base: any Denoiser
  private let guidance: Guidance
  private let joins: Bool

  /// - Parameter joinsBranches: whether both branches are one batch of twice the images.
  /// - Throws: `guidanceUnconditional` when there is something to guide, and the network takes no conditioning.
  package init(_ base: any Denoiser, _ guidance: Guidance, joinsBranches: Bool = true) throws(DiffusionError) {
    if !guidance.isOff, base.conditioning == .unconditional { throw .guidanceUnconditional }
    self.base = base
    self.guidance = guidance
    joins = joinsBranches
  }

  package var imageShape: ImageShape { base.imageShape }
  package var predictionType: PredictionType { base.predictionType }
  package var learnsVariance: Bool { base.learnsVariance }
  package var conditioning: ConditioningForm { base.conditioning }

  package func predict(_ x: Tensor, at step: Step, conditioning: [Conditioning]) throws -> Tensor {
    let images = x.dims[0]
    if guidance.isOff || images == 0 { return try base.predict(x, at: step, conditioning: conditioning) }
    let without = [Conditioning](repeating: guidance.unconditional.on(.unconditional), count: images)
    let conditioning = conditioning.map { $0.on(.conditional) }
    let (unconditional, conditional): (Tensor, Tensor)
    if joins {
      let both = try base.predict(.stacked([x, x]), at: step, conditioning: without + conditioning)
      (unconditional, conditional) = (both.rows(0..<images), both.rows(images..<2 * images))
    } else {
      unconditional = try base.predict(x, at: step, conditioning: without)
      conditional = try base.predict(x, at: step, conditioning: conditioning)
    }
    guard learnsVariance else { return guidance.applied(unconditional: unconditional, conditional: conditional) }
    let halves = conditional.channelHalves()
    let guided = guidance.applied(unconditional: unconditional.channelHalves().first, conditional: halves.first)
    return .joiningChannels(guided, halves.second)
  }

  /// Errors of the two branches are taken as independent: ((1 - S)^2 + S^2) times the network's.
  package func residualVariance(at step: Step) -> Double {
    let variance = base.residualVariance(at: step)
    if guidance.isOff { return variance }
    return ((1 - guidance.scale) * (1 - guidance.scale) + guidance.scale * guidance.scale) * variance
  }
}
