import Tensors

/// Heun's method along the probability flow in noise levels (Karras et al. 2022, algorithm 1): a step of Euler's, and a second
/// call where it leads, whose direction is averaged with the first. Two calls a step, one where the step ends without noise.
///
///     code                     paper
///     history.predictions[0]   d_i, the direction dx/dt at t_i, which is epsilon
///     history.start            x_i
package struct HeunSampler: LevelSampler, Equatable {
  package static let name = "heun"

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

  package func calls(for process: DiffusionProcess) throws(DiffusionError) -> [NetworkCall] {
    let (visits, final) = try selection.visits(of: process.schedule)
    return Self.calls(visits, final: final, schedule: process.schedule, corrected: true)
  }

  package func step(
    _ x: Tensor, output: Tensor, history: SolverHistory, call index: Int, of plan: TrajectoryPlan,
    noise: () throws -> Tensor
  ) throws -> StepResult {
    let call = plan.calls[index]
    let predicted = try Predictions(x, output: output, at: call.level, process: plan.process, within: bounds)
    let clean = predicted.clean
    if call.corrects, let first = history.predictions.first, let start = history.start {
      // x / signal is x_0 + sigma epsilon; the averaged direction is taken from where the step began.
      let next = call.next.signal
      let half = (call.level.sigma - first.level.sigma) / 2
      let previous = Tensor.combining([
        (next / first.level.signal, start), (next * half, first.value), (next * half, predicted.limitedNoise),
      ])
      return StepResult(previous: previous, clean: clean)
    }
    let previous = Tensor.combining(call.straightWay(x, clean: clean, to: call.next.sigma))
    if call.next.isClean { return StepResult(previous: previous, clean: clean) }
    return StepResult(
      previous: previous, clean: clean,
      history: SolverHistory(predictions: [.init(level: call.level, value: predicted.limitedNoise)], start: x))
  }
}
