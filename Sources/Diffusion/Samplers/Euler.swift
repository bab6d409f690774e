import Tensors

/// Euler's method along the probability flow in noise levels, with the added noise of Karras et al. 2022 ("Elucidating the
/// design space of diffusion-based generative models", algorithm 2 without its second call), one call a step.
///
///     code            paper
///     sigma           t_i, the noise level of a step
///     raised          t^_i = t_i (1 + gamma_i), the level that noise is added up to
///     churn           S_churn; its bounds S_tmin, S_tmax, its noise S_noise
///
/// Differs: the paper calls the network after noise is added, at the raised level; here, as in diffusers, it is called before,
/// at the level of the step, and its epsilon is used at the raised one.
package struct EulerSampler: LevelSampler, Equatable {
  package static let name = "euler"

  package var selection: LevelSelection
  /// 0 adds no noise; else gamma_i = min(churn / S, sqrt(2) - 1).
  package var churn: Double
  /// Noise is added at levels from here on.
  package var churnFrom: Double
  /// And up to here; nil: all.
  package var churnTo: Double?
  /// The deviation of the added noise.
  package var churnNoise: Double
  package var bounds: CleanImageBounds

  package init(
    selection: LevelSelection, churn: Double = 0, churnFrom: Double = 0, churnTo: Double? = nil, churnNoise: Double = 1,
    bounds: CleanImageBounds = .init(clip: false)
  ) {
    self.selection = selection
    self.churn = churn
    self.churnFrom = churnFrom
    self.churnTo = churnTo
    self.churnNoise = churnNoise
    self.bounds = bounds
  }

  package init(reading reader: ConfigurationReader) {
    selection = LevelSelection(.points, reading: reader)
    churn = reader.double("s_churn", in: 0...1e6)
    churnFrom = reader.double("s_tmin", in: 0...1e30)
    churnTo = reader.value("s_tmax") == .null ? nil : reader.double("s_tmax", in: 0...1e30)
    churnNoise = reader.double("s_noise", in: 0...1e3)
    bounds = CleanImageBounds(reading: reader)
  }

  package var entries: [ConfigurationValue.Entry] {
    selection.entries + [
      .init("s_churn", .number(churn)),
      .init("s_tmin", .number(churnFrom)),
      .init("s_tmax", churnTo.map { .number($0) } ?? .null),
      .init("s_noise", .number(churnNoise)),
    ] + bounds.entries
  }

  package func initialScale(at level: NoiseLevel) -> Double { selection.initialScale(at: level) }

  package func step(
    _ x: Tensor, output: Tensor, history: SolverHistory, call index: Int, of plan: TrajectoryPlan,
    noise: () throws -> Tensor
  ) throws -> StepResult {
    let call = plan.calls[index]
    let raised = raised(call.level.sigma, steps: plan.calls.count)
    let predicted = try Predictions(x, output: output, at: call.level, process: plan.process, within: bounds)
    guard raised > call.level.sigma else {
      let previous = Tensor.combining(call.straightWay(x, clean: predicted.clean, to: call.next.sigma))
      return StepResult(previous: previous, clean: predicted.clean)
    }
    // The state x_0 + sigma epsilon with more noise, in the units of the raised level.
    let level = NoiseLevel(sigma: raised)
    let noisier = Tensor.combining(
      level.signal / call.level.signal, x, level.signal * deviation(call.level.sigma, raised), try noise())
    let clean = bounds.applied(to: DiffusionProcess.cleanImage(noisier, noise: predicted.noise, at: level))
    let raisedCall = NetworkCall(step: call.step, level: level, next: call.next)
    let previous = Tensor.combining(raisedCall.straightWay(noisier, clean: clean, to: call.next.sigma))
    return StepResult(previous: previous, clean: clean)
  }

  package func noiseBalance(call index: Int, of plan: TrajectoryPlan) -> (epsilon: Double, sigma: Double)? {
    let call = plan.calls[index]
    let raised = raised(call.level.sigma, steps: plan.calls.count)
    guard raised > call.level.sigma else { return nil }
    let next = call.next.signal
    return (next * (call.next.sigma - raised), next * deviation(call.level.sigma, raised))
  }

  private func raised(_ sigma: Double, steps: Int) -> Double {
    guard sigma >= churnFrom, churnTo.map({ sigma <= $0 }) ?? true else { return sigma }
    return sigma * (1 + min(churn / Double(steps), 2.0.squareRoot() - 1))
  }

  private func deviation(_ sigma: Double, _ raised: Double) -> Double {
    churnNoise * (raised * raised - sigma * sigma).squareRoot()
  }
}

extension NetworkCall {
  /// A step of Euler's method in noise levels, as factors and tensors to add up: x_0 + sigma epsilon goes straight towards x_0
  /// until its noise is down to `sigma`; in the units of the next level.
  func straightWay(_ x: Tensor, clean: Tensor, to sigma: Double) -> [(factor: Double, tensor: Tensor)] {
    let remaining = sigma / level.sigma
    return [(next.signal * (1 - remaining), clean), (next.signal * remaining / level.signal, x)]
  }
}

extension LevelSelection {
  /// The noise of the first level, as diffusers starts Euler's family: the image has no share in it but for leading spacing,
  /// where the deviation of x_T is that of a state.
  func initialScale(at level: NoiseLevel) -> Double { spacing == .leading ? 1 : level.noise }
}
