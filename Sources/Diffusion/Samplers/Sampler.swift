import Tensors

/// A rule that turns noise into images one denoiser call at a time. A value whose stored properties are its configuration
/// keys: it holds no state, knows no network, and a step is a pure function.
///
/// A new sampler is one file beside this one, a line in `SamplerCatalog`, and a preset in samplers/.
package protocol Sampler: Sendable {
  /// The value of the `sampler` key, and the name in messages.
  static var name: String { get }

  /// Records what is wrong with `reader`'s keys; every key must be present.
  init(reading reader: ConfigurationReader)
  /// Its own keys, all of them, in the order files give them.
  var entries: [ConfigurationValue.Entry] { get }

  var selection: TimestepSelection { get set }

  /// Throws when this sampler cannot run a network of this kind, before any call is made.
  func check(learnsVariance: Bool) throws(DiffusionError)

  /// One step from x_t to x_(t-1).
  /// - Parameters:
  ///   - x: x_t, N C H W.
  ///   - output: the network's output for x_t: N C H W, or N 2C H W when it learns a variance.
  ///   - noise: standard normals, N C H W; called at most once, and only when the step adds noise.
  func step(
    _ x: Tensor, output: Tensor, at step: Step, process: DiffusionProcess, noise: () throws -> Tensor
  ) throws -> StepResult

  /// What x_(t-1) takes of the network's epsilon, and how much noise a step adds: coefficient and standard deviation; nil
  /// where the deviation is not one number.
  func noiseBalance(at step: Step, process: DiffusionProcess) -> (epsilon: Double, sigma: Double)?
}

/// What one step makes of x_t.
package struct StepResult: Sendable {
  /// x_(t-1): what the next step starts from. N C H W.
  package let previous: Tensor
  /// The step's prediction of x_0, after clipping or thresholding. N C H W.
  package let clean: Tensor

  package init(previous: Tensor, clean: Tensor) {
    self.previous = previous
    self.clean = clean
  }
}

extension Sampler {
  /// What `samplers/*.yaml`, run folders and artefacts store.
  package var configuration: ConfigurationValue {
    .map([.init("sampler", .string(Self.name))] + entries)
  }

  package func check(learnsVariance: Bool) throws(DiffusionError) {}

  /// The steps on a model's schedule, in execution order.
  /// - Throws: when the selection leaves the schedule, or a step would have to divide by a vanished signal.
  package func steps(for process: DiffusionProcess) throws(DiffusionError) -> [Step] {
    let schedule = process.schedule
    let steps = try selection.steps(trainTimesteps: schedule.trainTimesteps)
    for step in steps where process.predictionType == .epsilon {
      // 1 / sqrt(alphaBar) amplifies the network's error; beyond Float's range nothing is left of x_0.
      if 1 / schedule.alphaBar(at: step.timestep).squareRoot() > Double(Float.greatestFiniteMagnitude) {
        throw .noSignal(timestep: step.timestep)
      }
    }
    return steps.map {
      Step(
        index: $0.index, timestep: $0.timestep, previous: $0.previous,
        networkTimestep: schedule.networkTimestep(of: $0.timestep))
    }
  }

  /// The same settings with another number of steps.
  /// - Throws: `respacingSections` when the timesteps are given by several sections.
  package func taking(steps: Int) throws(DiffusionError) -> Self {
    var sampler = self
    sampler.selection = try selection.taking(steps: steps)
    return sampler
  }
}

extension Sampler {
  /// What added noise is multiplied by when epsilon itself carries noise of some variance, so that the total stays what the
  /// sampler means: sqrt(max(0, sigma^2 - c^2 variance)) / sigma (PTQD: He et al. 2023, section 3.4, variance schedule
  /// calibration). Only the added noise changes; the direction keeps the original sigma.
  package func noiseFactor(at step: Step, process: DiffusionProcess, residualVariance variance: Double) -> Double {
    guard variance > 0, let (epsilon, sigma) = noiseBalance(at: step, process: process), sigma > 0 else { return 1 }
    return max(0, 1 - epsilon * epsilon * variance / (sigma * sigma)).squareRoot()
  }
}

extension DiffusionProcess {
  /// The prediction of x_0 that the network's output means at x_t (N C H W, both).
  ///
  /// epsilon: (x_t - sqrt(1 - alphaBar) epsilon) / sqrt(alphaBar) (Ho et al. 2020, equation 15).
  /// velocity: sqrt(alphaBar) x_t - sqrt(1 - alphaBar) v (Salimans and Ho 2022, appendix D).
  package func cleanImage(_ x: Tensor, output: Tensor, at timestep: Timestep) -> Tensor {
    let alphaBar = schedule.alphaBar(at: timestep)
    let signal = alphaBar.squareRoot()
    let sigma = (1 - alphaBar).squareRoot()
    switch predictionType {
    case .epsilon: return .combining(1 / signal, x, -sigma / signal, output)
    case .sample: return output
    case .velocity: return .combining(signal, x, -sigma, output)
    }
  }

  /// The noise that the network's output means at x_t (N C H W, both).
  ///
  /// sample: as `noise(_:clean:at:)`. velocity: sqrt(alphaBar) v + sqrt(1 - alphaBar) x_t (Salimans and Ho 2022, appendix D).
  package func noise(_ x: Tensor, output: Tensor, at timestep: Timestep) -> Tensor {
    let alphaBar = schedule.alphaBar(at: timestep)
    switch predictionType {
    case .epsilon: return output
    case .sample: return noise(x, clean: output, at: timestep)
    case .velocity: return .combining(alphaBar.squareRoot(), output, (1 - alphaBar).squareRoot(), x)
    }
  }

  /// The noise that leads from x_0 to x_t: (x_t - sqrt(alphaBar) x_0) / sqrt(1 - alphaBar).
  package func noise(_ x: Tensor, clean: Tensor, at timestep: Timestep) -> Tensor {
    let alphaBar = schedule.alphaBar(at: timestep)
    let sigma = (1 - alphaBar).squareRoot()
    return .combining(1 / sigma, x, -alphaBar.squareRoot() / sigma, clean)
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
