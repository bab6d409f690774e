import Tensors

/// Ancestral sampling in noise levels: a step of Euler's method to a lower level than the next, and noise up to the next, as
/// much as the posterior has (Ho et al. 2020, section 2, in the terms of Karras et al. 2022; Katherine Crowson's k-diffusion),
/// one call a step.
package struct EulerAncestralSampler: LevelSampler, Equatable {
  package static let name = "euler_ancestral"

  package var selection: LevelSelection
  package var bounds: CleanImageBounds

  package init(selection: LevelSelection, bounds: CleanImageBounds = .init(clip: false)) {
    self.selection = selection
    self.bounds = bounds
  }

  package init(reading reader: ConfigurationReader) {
    selection = LevelSelection(.points, reading: reader)
    bounds = CleanImageBounds(reading: reader)
  }

  package var entries: [ConfigurationValue.Entry] { selection.entries + bounds.entries }

  package func initialScale(at level: NoiseLevel) -> Double { selection.initialScale(at: level) }

  package func step(
    _ x: Tensor, output: Tensor, history: SolverHistory, call index: Int, of plan: TrajectoryPlan,
    noise: () throws -> Tensor
  ) throws -> StepResult {
    let call = plan.calls[index]
    let clean = try Predictions(
      x, output: output, at: call.level, process: plan.process, within: bounds
    ).clean
    let (down, up) = parts(call)
    var terms = call.straightWay(x, clean: clean, to: down)
    if up > 0 { terms.append((call.next.signal * up, try noise())) }
    return StepResult(previous: .combining(terms), clean: clean)
  }

  package func noiseBalance(call index: Int, of plan: TrajectoryPlan) -> (epsilon: Double, sigma: Double)? {
    let call = plan.calls[index]
    let (down, up) = parts(call)
    return (call.next.signal * (down - call.level.sigma), call.next.signal * up)
  }

  /// The level that the step goes down to, and the deviation of the noise that leads up to the next:
  /// up^2 = next^2 (sigma^2 - next^2) / sigma^2, down^2 = next^2 - up^2.
  private func parts(_ call: NetworkCall) -> (down: Double, up: Double) {
    let (sigma, next) = (call.level.sigma, call.next.sigma)
    let variance = max(0, next * next * (sigma * sigma - next * next) / (sigma * sigma))
    return (max(0, next * next - variance).squareRoot(), variance.squareRoot())
  }
}
