import Tensors

/// Multistep sampling of latent consistency models (Luo et al. 2023, "Latent consistency models", algorithm 3): each call jumps
/// to x_0, and noise leads back to the next of a few timesteps, one call a step.
///
///     code             paper
///     clean            f_theta(z, c, t) = c_skip(t) z + c_out(t) times the predicted x_0 (equation 9)
///     originalSteps    N of the distillation: its skipping-step schedule has the timesteps T - 1, T - 1 - T / N, …
package struct LCMSampler: Sampler, Equatable {
  package static let name = "lcm"
  /// sigma_data, the deviation of the data in the boundary condition.
  private static let dataDeviation = 0.5

  package var steps: Int
  package var originalSteps: Int
  /// What timesteps are multiplied by in c_skip and c_out.
  package var timestepScaling: Double
  package var bounds: CleanImageBounds

  package init(
    steps: Int, originalSteps: Int = 50, timestepScaling: Double = 10, bounds: CleanImageBounds = .init(clip: false)
  ) {
    self.steps = steps
    self.originalSteps = originalSteps
    self.timestepScaling = timestepScaling
    self.bounds = bounds
  }

  package init(reading reader: ConfigurationReader) {
    let range = BetaSchedule.trainTimestepRange
    steps = reader.int("steps", in: range)
    originalSteps = reader.int("original_inference_steps", in: range)
    timestepScaling = reader.double("timestep_scaling", in: 1e-6...1e6)
    bounds = CleanImageBounds(reading: reader)
    if steps > originalSteps, reader.isSound("steps", "original_inference_steps") {
      reader.report("steps", "must be at most original_inference_steps, \(originalSteps), found \(steps)")
    }
  }

  package var entries: [ConfigurationValue.Entry] {
    [
      .init("steps", .integer(steps)),
      .init("original_inference_steps", .integer(originalSteps)),
      .init("timestep_scaling", .number(timestepScaling)),
    ] + bounds.entries
  }

  package var requestedSteps: Int { steps }

  package func taking(steps: Int) throws(DiffusionError) -> LCMSampler {
    if steps > originalSteps { throw .distilledSteps(steps: steps, original: originalSteps) }
    var sampler = self
    sampler.steps = steps
    return sampler
  }

  /// Every N / S-th timestep of the distillation's, from the noisiest.
  package func calls(for process: DiffusionProcess) throws(DiffusionError) -> [NetworkCall] {
    let schedule = process.schedule
    let total = schedule.trainTimesteps
    guard originalSteps <= total else { throw .tooManySteps(steps: originalSteps, trainTimesteps: total) }
    let stride = total / originalSteps
    let timesteps = (0..<steps).map { index in
      Timestep((originalSteps - index * originalSteps / steps) * stride - 1)
    }
    return timesteps.indices.map { index in
      let next = index + 1 < steps ? timesteps[index + 1] : nil
      return NetworkCall(
        step: Step(
          index: index, timestep: timesteps[index], previous: next,
          networkTimestep: schedule.networkTimestep(of: timesteps[index])),
        level: schedule.level(at: timesteps[index]), next: next.map { schedule.level(at: $0) } ?? .clean)
    }
  }

  package func step(
    _ x: Tensor, output: Tensor, history: SolverHistory, call index: Int, of plan: TrajectoryPlan,
    noise: () throws -> Tensor
  ) throws -> StepResult {
    let call = plan.calls[index]
    let predicted = try Predictions(x, output: output, at: call.level, process: plan.process, within: bounds)
    let (skip, out) = boundary(call.step.timestep)
    let clean = Tensor.combining(out, predicted.clean, skip, x)
    if call.next.isClean { return StepResult(previous: clean, clean: clean) }
    return StepResult(
      previous: .combining(call.next.signal, clean, call.next.noise, try noise()), clean: clean)
  }

  package func noiseBalance(call index: Int, of plan: TrajectoryPlan) -> (epsilon: Double, sigma: Double)? {
    let call = plan.calls[index]
    return (-call.next.signal * boundary(call.step.timestep).out * call.level.sigma, call.next.noise)
  }

  /// c_skip and c_out: at time 0 the network's input itself is returned.
  private func boundary(_ timestep: Timestep) -> (skip: Double, out: Double) {
    let time = timestep.value * timestepScaling
    let square = Self.dataDeviation * Self.dataDeviation
    return (square / (time * time + square), time / (time * time + square).squareRoot())
  }
}
