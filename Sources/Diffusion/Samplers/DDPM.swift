import Tensors

/// The variance of the noise that a DDPM step adds; names as diffusers' `variance_type`. beta is that of the step taken,
/// 1 - alphaBar_t / alphaBar_(t-1), which is beta_t when every timestep is visited.
package enum VarianceType: String, Sendable, CaseIterable {
  /// (1 - alphaBar_(t-1)) / (1 - alphaBar_t) beta, the posterior's (Ho et al. 2020, section 3.2).
  case fixedSmall = "fixed_small"
  /// The same variance; a name of its own in diffusers because it is computed through its logarithm.
  case fixedSmallLog = "fixed_small_log"
  /// beta (Ho et al. 2020, section 3.2).
  case fixedLarge = "fixed_large"
  /// The same variance as fixed_large.
  /// Differs: diffusers takes the square root of a negative logarithm here and returns NaN.
  case fixedLargeLog = "fixed_large_log"
  /// The second half of the network's channels is the variance, as diffusers reads it.
  /// Differs: negative values are raised to 1e-20; diffusers returns NaN.
  case learned
  /// The second half of the network's channels is the logarithm of the variance (Nichol and Dhariwal 2021, released code,
  /// which calls it "learned").
  case learnedLog = "learned_log"
  /// The second half v of the network's channels interpolates between the two fixed ones in the logarithm, v = -1 small,
  /// v = 1 large (Nichol and Dhariwal 2021, equation 15).
  case learnedRange = "learned_range"

  var isLearned: Bool {
    switch self {
    case .learned, .learnedLog, .learnedRange: true
    case .fixedSmall, .fixedSmallLog, .fixedLarge, .fixedLargeLog: false
    }
  }
}

/// Denoising diffusion probabilistic models (Ho, Jain and Abbeel 2020, algorithm 2 and equations 6, 7 and 15), on any
/// subsequence of the timesteps.
///
///     code                       paper
///     alphaBar                   product of alpha_s, s <= t
///     alphaBarPrevious           the same at the timestep that the step leads to
///     alpha, beta                alpha_t and beta_t of the step: alpha = alphaBar / alphaBarPrevious, beta = 1 - alpha
///     clean                      x_0 of equation 15
///     cleanWeight, currentWeight coefficients of mu-tilde_t, equation 7
package struct DDPMSampler: TimestepSampler, Equatable {
  package static let name = "ddpm"
  /// Smallest variance, so that its logarithm exists (Ho et al. 2020, released code).
  static let smallestVariance = 1e-20

  package var selection: TimestepSelection
  package var varianceType: VarianceType
  /// Whether the last step adds noise when its timestep is above 0 (diffusers; visible with fixed_large and trailing
  /// spacing). Algorithm 2 adds none in the last step.
  package var noiseAtLastStep: Bool
  package var bounds: CleanImageBounds

  package init(
    selection: TimestepSelection, varianceType: VarianceType = .fixedSmall, noiseAtLastStep: Bool = false,
    bounds: CleanImageBounds = .init()
  ) {
    self.selection = selection
    self.varianceType = varianceType
    self.noiseAtLastStep = noiseAtLastStep
    self.bounds = bounds
  }

  package init(reading reader: ConfigurationReader) {
    selection = TimestepSelection(reading: reader)
    varianceType = reader.choice("variance_type")
    noiseAtLastStep = reader.bool("noise_at_last_step")
    bounds = CleanImageBounds(reading: reader)
  }

  package var entries: [ConfigurationValue.Entry] {
    selection.entries + [
      .init("variance_type", .string(varianceType.rawValue)),
      .init("noise_at_last_step", .bool(noiseAtLastStep)),
    ] + bounds.entries
  }

  package func check(learnsVariance: Bool) throws(DiffusionError) {
    if varianceType.isLearned && !learnsVariance { throw .varianceNotLearned(varianceType) }
  }

  package func step(
    _ x: Tensor, output: Tensor, history: SolverHistory, call index: Int, of plan: TrajectoryPlan,
    noise: () throws -> Tensor
  ) throws -> StepResult {
    let call = plan.calls[index]
    let predicted = try Predictions(x, output: output, at: call.level, process: plan.process, within: bounds)
    let (clean, learned) = (predicted.clean, predicted.variance)

    let (alphaBar, alphaBarPrevious) = (call.level.alphaBar, call.next.alphaBar)
    let alpha = alphaBar / alphaBarPrevious
    let beta = 1 - alpha
    let cleanWeight = alphaBarPrevious.squareRoot() * beta / (1 - alphaBar)
    let currentWeight = alpha.squareRoot() * (1 - alphaBarPrevious) / (1 - alphaBar)

    let addsNoise = call.step.previous != nil || (noiseAtLastStep && call.step.timestep > Timestep(0))
    guard addsNoise else {
      return StepResult(previous: .combining(cleanWeight, clean, currentWeight, x), clean: clean)
    }
    let small = max((1 - alphaBarPrevious) / (1 - alphaBar) * beta, Self.smallestVariance)
    let previous: Tensor
    switch varianceType {
    case .fixedSmall, .fixedSmallLog:
      previous = .combining(cleanWeight, clean, currentWeight, x, small.squareRoot(), try noise())
    case .fixedLarge, .fixedLargeLog:
      previous = .combining(cleanWeight, clean, currentWeight, x, beta.squareRoot(), try noise())
    case .learned, .learnedLog, .learnedRange:
      guard let learned else { throw DiffusionError.varianceNotLearned(varianceType) }
      let scaled = scaledNoise(try noise(), learned: learned, small: small, large: max(beta, Self.smallestVariance))
      previous = .combining(cleanWeight, clean, currentWeight, x, 1, scaled)
    }
    return StepResult(previous: previous, clean: clean)
  }

  package func noiseBalance(call index: Int, of plan: TrajectoryPlan) -> (epsilon: Double, sigma: Double)? {
    let call = plan.calls[index]
    let (alphaBar, alphaBarPrevious) = (call.level.alphaBar, call.next.alphaBar)
    let alpha = alphaBar / alphaBarPrevious
    let beta = 1 - alpha
    let epsilon = -beta / (alpha * (1 - alphaBar)).squareRoot()
    switch varianceType {
    case .fixedSmall, .fixedSmallLog:
      return (epsilon, max((1 - alphaBarPrevious) / (1 - alphaBar) * beta, Self.smallestVariance).squareRoot())
    case .fixedLarge, .fixedLargeLog: return (epsilon, beta.squareRoot())
    case .learned, .learnedLog, .learnedRange: return nil
    }
  }

  /// Noise times the standard deviation that the network chose for each element; for variance types that are learned.
  private func scaledNoise(_ noise: Tensor, learned: Tensor, small: Double, large: Double) -> Tensor {
    let logSmall = PortableMath.log(small)
    let logLarge = PortableMath.log(large)
    let values = zip(noise.values, learned.values).map { noise, value in
      let deviation: Double
      switch varianceType {
      case .learned: deviation = max(Double(value), Self.smallestVariance).squareRoot()
      case .learnedLog: deviation = PortableMath.exp(0.5 * Double(value))
      case .learnedRange, .fixedSmall, .fixedSmallLog, .fixedLarge, .fixedLargeLog:
        let fraction = (Double(value) + 1) / 2
        deviation = PortableMath.exp(0.5 * (fraction * logLarge + (1 - fraction) * logSmall))
      }
      return Float(deviation * Double(noise))
    }
    return Tensor(noise.dims, values)
  }
}
