import Tensors

/// Denoising diffusion implicit models (Song, Meng and Ermon 2021, equations 12 and 16).
///
///     code              paper (its alpha_t is the product, our alphaBar)
///     alphaBar          alpha_t
///     alphaBarPrevious  alpha_(t-1)
///     clean             "predicted x_0", f_theta(x_t)
///     epsilon           epsilon_theta(x_t)
///     sigma             sigma_t(eta)
///     eta               eta: 0 deterministic, 1 as much noise as DDPM
package struct DDIMSampler: TimestepSampler, Equatable {
  package static let name = "ddim"

  package var selection: TimestepSelection
  package var eta: Double
  package var bounds: CleanImageBounds
  /// Derive epsilon again from the clipped x_0 (guided-diffusion); otherwise only x_0 is clipped and the direction keeps the
  /// network's epsilon (diffusers).
  package var recomputeEpsilon: Bool
  /// What alphaBar is before timestep 0: 1, so that the last step returns x_0, or alphaBar_0 (latent diffusion).
  package var setAlphaToOne: Bool

  package init(
    selection: TimestepSelection, eta: Double = 0, bounds: CleanImageBounds = .init(), recomputeEpsilon: Bool = false,
    setAlphaToOne: Bool = true
  ) {
    self.selection = selection
    self.eta = eta
    self.bounds = bounds
    self.recomputeEpsilon = recomputeEpsilon
    self.setAlphaToOne = setAlphaToOne
  }

  package init(reading reader: ConfigurationReader) {
    selection = TimestepSelection(reading: reader)
    eta = reader.double("eta", in: 0...1)
    bounds = CleanImageBounds(reading: reader)
    recomputeEpsilon = reader.bool("recompute_epsilon")
    setAlphaToOne = reader.bool("set_alpha_to_one")
  }

  package var entries: [ConfigurationValue.Entry] {
    selection.entries + [.init("eta", .number(eta))] + bounds.entries + [
      .init("recompute_epsilon", .bool(recomputeEpsilon)),
      .init("set_alpha_to_one", .bool(setAlphaToOne)),
    ]
  }

  package func finalLevel(_ schedule: NoiseSchedule) -> NoiseLevel {
    setAlphaToOne ? .clean : NoiseLevel(alphaBar: schedule.alphaBar[0])
  }

  package func step(
    _ x: Tensor, output: Tensor, history: SolverHistory, call index: Int, of plan: TrajectoryPlan,
    noise: () throws -> Tensor
  ) throws -> StepResult {
    let call = plan.calls[index]
    let predicted = try Predictions(x, output: output, at: call.level, process: plan.process, within: bounds)
    let clean = predicted.clean
    let epsilon = recomputeEpsilon ? predicted.limitedNoise : predicted.noise

    let (sigma, direction) = deviations(call)
    // Equation 12: sqrt(alpha_(t-1)) x_0 + sqrt(1 - alpha_(t-1) - sigma^2) epsilon + sigma z.
    let previous: Tensor =
      sigma > 0
      ? .combining(call.next.signal, clean, direction, epsilon, sigma, try noise())
      : .combining(call.next.signal, clean, direction, epsilon)
    return StepResult(previous: previous, clean: clean)
  }

  package func noiseBalance(call index: Int, of plan: TrajectoryPlan) -> (epsilon: Double, sigma: Double)? {
    let call = plan.calls[index]
    let (sigma, direction) = deviations(call)
    let (alphaBar, alphaBarPrevious) = (call.level.alphaBar, call.next.alphaBar)
    return (direction - (alphaBarPrevious * (1 - alphaBar) / alphaBar).squareRoot(), sigma)
  }

  /// sigma, and the factor of epsilon in equation 12.
  private func deviations(_ call: NetworkCall) -> (sigma: Double, direction: Double) {
    let sigma = sigma(alphaBar: call.level.alphaBar, alphaBarPrevious: call.next.alphaBar)
    // Rounding may leave a tiny negative where the direction vanishes.
    return (sigma, max(0, 1 - call.next.alphaBar - sigma * sigma).squareRoot())
  }

  /// Equation 16: eta sqrt((1 - alpha_(t-1)) / (1 - alpha_t)) sqrt(1 - alpha_t / alpha_(t-1)).
  private func sigma(alphaBar: Double, alphaBarPrevious: Double) -> Double {
    let variance = (1 - alphaBarPrevious) / (1 - alphaBar) * (1 - alphaBar / alphaBarPrevious)
    return eta * max(0, variance).squareRoot()
  }
}
