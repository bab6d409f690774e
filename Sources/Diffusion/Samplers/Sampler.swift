import Tensors

/// A rule that turns noise into images one denoiser call at a time. A value whose stored properties are its configuration
/// keys: it holds no state, knows no network, and a step is a pure function of the state and what the solver remembers.
///
/// A new sampler is one file beside this one, a line in `SamplerCatalog`, and a preset in samplers/.
package protocol Sampler: Sendable {
  /// The value of the `sampler` key, and the name in messages.
  static var name: String { get }

  /// Records what is wrong with `reader`'s keys; every key must be present.
  init(reading reader: ConfigurationReader)
  /// Its own keys, all of them, in the order files give them.
  var entries: [ConfigurationValue.Entry] { get }

  /// S, the number of steps asked for.
  var requestedSteps: Int { get }
  /// The same settings with another number of steps.
  /// - Throws: `respacingSections` when the timesteps are given by several sections.
  func taking(steps: Int) throws(DiffusionError) -> Self

  /// Throws when this sampler cannot run a network of this kind, before any call is made.
  func check(learnsVariance: Bool) throws(DiffusionError)

  /// The network calls on a model's schedule, in execution order.
  /// - Throws: when the settings leave the schedule.
  func calls(for process: DiffusionProcess) throws(DiffusionError) -> [NetworkCall]

  /// What standard normal noise is multiplied by to be the first state, whose level is `level`.
  func initialScale(at level: NoiseLevel) -> Double

  /// What one network call makes of x_t.
  /// - Parameters:
  ///   - x: x_t, N C H W.
  ///   - output: the network's output for x_t: N C H W, or N 2C H W when it learns a variance.
  ///   - history: what the call before this one left; `none` at the first.
  ///   - index: position of the call in `plan`.
  ///   - noise: standard normals, N C H W; called at most once, and only when the step adds noise.
  func step(
    _ x: Tensor, output: Tensor, history: SolverHistory, call index: Int, of plan: TrajectoryPlan,
    noise: () throws -> Tensor
  ) throws -> StepResult

  /// What the next state takes of the call's epsilon, and how much noise is added to it: coefficient and standard deviation,
  /// where x_0 is not limited; nil where no noise is added, or its deviation is not one number.
  func noiseBalance(call index: Int, of plan: TrajectoryPlan) -> (epsilon: Double, sigma: Double)?
}

/// What one network call makes of x_t.
package struct StepResult: Sendable {
  /// What the next call starts from, x_(t-1) where the step is complete. N C H W.
  package let previous: Tensor
  /// The call's prediction of x_0, after clipping or thresholding. N C H W.
  package let clean: Tensor
  /// What the solver remembers for the next call.
  package let history: SolverHistory

  package init(previous: Tensor, clean: Tensor, history: SolverHistory = .none) {
    self.previous = previous
    self.clean = clean
    self.history = history
  }
}

extension Sampler {
  /// What `samplers/*.yaml`, run folders and artefacts store.
  package var configuration: ConfigurationValue {
    .map([.init("sampler", .string(Self.name))] + entries)
  }

  package func check(learnsVariance: Bool) throws(DiffusionError) {}
  package func initialScale(at level: NoiseLevel) -> Double { 1 }
  package func noiseBalance(call index: Int, of plan: TrajectoryPlan) -> (epsilon: Double, sigma: Double)? { nil }

  /// The calls together with the process they are for.
  /// - Throws: as `calls(for:)`, and where a call would have to divide by a vanished signal.
  package func plan(for process: DiffusionProcess) throws(DiffusionError) -> TrajectoryPlan {
    let calls = try calls(for: process)
    for call in calls where process.predictionType == .epsilon {
      let timestep = call.step.timestep
      // 1 / sqrt(alphaBar) amplifies the network's error; beyond Float's range nothing is left of x_0.
      if 1 / process.schedule.alphaBar(at: timestep).squareRoot() > Double(Float.greatestFiniteMagnitude) {
        throw .noSignal(timestep: timestep)
      }
    }
    return TrajectoryPlan(process: process, calls: calls)
  }

  /// What networks, tables and reports know of the calls, in execution order.
  package func steps(for process: DiffusionProcess) throws(DiffusionError) -> [Step] { try plan(for: process).steps }

  /// What added noise is multiplied by when epsilon itself carries noise of some variance, so that the total stays what the
  /// sampler means: sqrt(max(0, sigma^2 - c^2 variance)) / sigma (PTQD: He et al. 2023, section 3.4, variance schedule
  /// calibration). Only the added noise changes; the direction keeps the original sigma.
  package func noiseFactor(call index: Int, of plan: TrajectoryPlan, residualVariance variance: Double) -> Double {
    guard variance > 0, let (epsilon, sigma) = noiseBalance(call: index, of: plan), sigma > 0 else { return 1 }
    return max(0, 1 - epsilon * epsilon * variance / (sigma * sigma)).squareRoot()
  }
}

/// A sampler that visits some of the T training timesteps, one call a step.
package protocol TimestepSampler: Sampler {
  var selection: TimestepSelection { get set }
  /// The noise level that the last step leads to.
  func finalLevel(_ schedule: NoiseSchedule) -> NoiseLevel
}

extension TimestepSampler {
  package var requestedSteps: Int { selection.steps }

  package func taking(steps: Int) throws(DiffusionError) -> Self {
    var sampler = self
    sampler.selection = try selection.taking(steps: steps)
    return sampler
  }

  package func finalLevel(_ schedule: NoiseSchedule) -> NoiseLevel { .clean }

  package func calls(for process: DiffusionProcess) throws(DiffusionError) -> [NetworkCall] {
    try visits(of: process.schedule)
  }

  /// One call for each timestep of the selection.
  func visits(of schedule: NoiseSchedule) throws(DiffusionError) -> [NetworkCall] {
    try selection.steps(trainTimesteps: schedule.trainTimesteps).map { step in
      NetworkCall(
        step: Step(
          index: step.index, timestep: step.timestep, previous: step.previous,
          networkTimestep: schedule.networkTimestep(of: step.timestep)),
        level: schedule.level(at: step.timestep),
        next: step.previous.map { schedule.level(at: $0) } ?? finalLevel(schedule))
    }
  }
}

/// The part of a network's output that predicts, and the learned variance when there is one.
/// - Throws: `modelOutput` when the output fits neither form.
func splitOutput(_ output: Tensor, for x: Tensor) throws(DiffusionError) -> (prediction: Tensor, variance: Tensor?) {
  if output.dims == x.dims { return (output, nil) }
  var doubled = x.dims
  doubled[1] *= 2
  guard output.dims == doubled else { throw .modelOutput(expected: x.dims, found: output.dims) }
  let halves = output.channelHalves()
  return (halves.first, halves.second)
}
