import Tensors

/// Heun's method along the probability flow in noise levels (Karras et al. 2022, algorithm 1): a step of Euler's, and a second
/// call where it leads, whose direction is averaged with the first. Two calls a step, one where the step ends without noise.
///
///     code                     paper
///     history.predictions[0]   d_i, the direction dx/dt at t_i
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
    let prediction = try splitOutput(output, for: x).prediction
    let clean = bounds.applied(to: plan.process.cleanImage(x, output: prediction, at: call.level))
    let next = call.next.signal
    if call.corrects, let first = history.predictions.first, let start = history.start {
      // x / signal is x_0 + sigma epsilon; the averaged direction is taken from where the step began.
      let half = (call.level.sigma - first.level.sigma) / 2
      let previous = Tensor.combining([
        (next / first.level.signal, start), (next * half, first.value),
        (next * half / call.level.noise, x), (-next * half / call.level.sigma, clean),
      ])
      return StepResult(previous: previous, clean: clean)
    }
    let remaining = call.next.sigma / call.level.sigma
    let previous = Tensor.combining(next * (1 - remaining), clean, next * remaining / call.level.signal, x)
    if call.next.isClean { return StepResult(previous: previous, clean: clean) }
    let direction = plan.process.noise(x, clean: clean, at: call.level)
    return StepResult(
      previous: previous, clean: clean,
      history: SolverHistory(predictions: [.init(level: call.level, value: direction)], start: x))
  }
}
