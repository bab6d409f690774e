import Tensors

/// Pseudo linear multistep (Liu, Ren, Lin and Zhao 2022, "Pseudo numerical methods for diffusion models on manifolds", equations
/// 9, 11 and 12): Adams-Bashforth in epsilon with the transfer of DDIM, one call a step but two in the first. It is the sampler
/// of latent diffusion's released code, and diffusers' PNDM with `skip_prk_steps`.
///
///     code           paper
///     epsilon        e_t, the network's at this timestep
///     direction      e'_t, the combination of the last four
///     history.start  x_t of the first step, which is taken twice: with e_t, then with the mean of e_t and e_(t - delta)
///
/// Differs: predictions of v and of x_0 are turned into epsilon before they are combined; diffusers combines v.
package struct PLMSSampler: TimestepSampler, Equatable {
  package static let name = "plms"
  /// Factors of the present and the earlier epsilons, by how many there are.
  private static let factors: [[Double]] = [
    [1], [3.0 / 2, -1.0 / 2], [23.0 / 12, -16.0 / 12, 5.0 / 12], [55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24],
  ]

  package var selection: TimestepSelection
  package var bounds: CleanImageBounds
  /// What alphaBar is before timestep 0: 1, or alphaBar_0 (latent diffusion).
  package var setAlphaToOne: Bool

  package init(
    selection: TimestepSelection, bounds: CleanImageBounds = .init(clip: false), setAlphaToOne: Bool = false
  ) {
    self.selection = selection
    self.bounds = bounds
    self.setAlphaToOne = setAlphaToOne
  }

  package init(reading reader: ConfigurationReader) {
    selection = TimestepSelection(reading: reader)
    bounds = CleanImageBounds(reading: reader)
    setAlphaToOne = reader.bool("set_alpha_to_one")
  }

  package var entries: [ConfigurationValue.Entry] {
    selection.entries + bounds.entries + [.init("set_alpha_to_one", .bool(setAlphaToOne))]
  }

  package func finalLevel(_ schedule: NoiseSchedule) -> NoiseLevel {
    setAlphaToOne ? .clean : NoiseLevel(alphaBar: schedule.alphaBar[0])
  }

  /// The visits of the selection, with a second call after the first: at the timestep that the first step leads to, or its own
  /// if it is the only one.
  package func calls(for process: DiffusionProcess) throws(DiffusionError) -> [NetworkCall] {
    let visits = try visits(of: process.schedule)
    for visit in visits where visit.level.alphaBar == 0 {
      throw .solverNeedsSignal(sampler: Self.name, timestep: visit.step.timestep)
    }
    let (first, second) = (visits[0], visits.count > 1 ? visits[1] : visits[0])
    func renumbered(_ call: NetworkCall, _ index: Int) -> NetworkCall {
      NetworkCall(
        step: Step(
          index: index, timestep: call.step.timestep, previous: call.step.previous,
          networkTimestep: call.step.networkTimestep),
        level: call.level, next: call.next)
    }
    let correction = NetworkCall(
      step: Step(
        index: 1, timestep: second.step.timestep, previous: first.step.previous,
        networkTimestep: second.step.networkTimestep),
      level: second.level, next: first.next, corrects: true)
    return [first, correction] + visits.dropFirst().enumerated().map { renumbered($1, $0 + 2) }
  }

  package func step(
    _ x: Tensor, output: Tensor, history: SolverHistory, call index: Int, of plan: TrajectoryPlan,
    noise: () throws -> Tensor
  ) throws -> StepResult {
    let call = plan.calls[index]
    let epsilon = plan.process.noise(x, output: try splitOutput(output, for: x).prediction, at: call.level)
    if call.corrects, let first = history.predictions.first, let start = history.start {
      let mean = Tensor.combining(0.5, first.value, 0.5, epsilon)
      let (previous, clean) = transferred(start, mean, from: first.level, to: call.next)
      return StepResult(
        previous: previous, clean: clean, history: SolverHistory(predictions: history.predictions))
    }
    let predictions = history.adding(epsilon, at: call.level, keeping: Self.factors.count)
    let factors = Self.factors[predictions.count - 1]
    let direction = Tensor.combining(
      zip(factors, predictions.reversed()).map { (factor: $0, tensor: $1.value) })
    let (previous, clean) = transferred(x, direction, from: call.level, to: call.next)
    return StepResult(
      previous: previous, clean: clean,
      history: SolverHistory(predictions: predictions, start: index == 0 ? x : nil))
  }

  /// The transfer part, equation 11: what DDIM's step without noise makes of a direction.
  private func transferred(
    _ x: Tensor, _ direction: Tensor, from level: NoiseLevel, to next: NoiseLevel
  ) -> (previous: Tensor, clean: Tensor) {
    let clean = bounds.applied(to: DiffusionProcess.cleanImage(x, noise: direction, at: level))
    return (.combining(next.signal, clean, next.noise, direction), clean)
  }
}
