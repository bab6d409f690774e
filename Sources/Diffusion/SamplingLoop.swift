import Tensors

/// Where a loop's standard normals come from: `NoiseSource`, or recorded tensors in comparisons with other programs.
package protocol NoiseProvider: Sendable {
  /// - Returns: N C H W, a row per entry of `images` (global image indices).
  func normals(images: [Int], shape: ImageShape, draw: NoiseDraw) throws -> Tensor
}

extension NoiseSource: NoiseProvider {}

/// One network call of a trajectory, complete: what the network was given, what it said, and what the sampler made of it.
package struct SamplingState: Sendable {
  package let step: Step
  /// The noise level of `x`.
  package let level: NoiseLevel
  /// x_t, the network's input. N C H W.
  package let x: Tensor
  /// The network's output, a learned variance included.
  package let output: Tensor
  /// The prediction of x_0, clipped as the sampler does.
  package let clean: Tensor
  /// x_(t-1), or what the step's second call starts from.
  package let previous: Tensor
  /// What the solver remembers for the next call.
  package let history: SolverHistory

  /// Where the trajectory goes on after this call.
  package var position: SamplingPosition {
    SamplingPosition(completed: step.index + 1, x: previous, history: history)
  }
}

/// A place in a trajectory, with everything that what follows depends on.
package struct SamplingPosition: Sendable, Equatable {
  /// How many network calls lie behind.
  package let completed: Int
  /// What the next call is given. N C H W.
  package let x: Tensor
  package let history: SolverHistory

  package init(completed: Int, x: Tensor, history: SolverHistory) {
    self.completed = completed
    self.x = x
    self.history = history
  }
}

/// A trajectory of a batch as a sequence that its caller drives; sampling, calibration, comparison and previews all consume
/// it. Stopping, recording and progress are the caller's: the loop has no callbacks.
///
///     var loop = try SamplingLoop(denoiser: model, schedule: schedule, sampler: sampler, images: [0, 1], noise: noise)
///     while let state = try loop.next() { … }
///     let samples = loop.x
///
/// Image k depends on its index and on the noise source alone, never on which images share its batch.
package struct SamplingLoop: Sendable {
  private let plan: TrajectoryPlan
  /// The network calls, in execution order.
  package var steps: [Step] { plan.steps }
  /// Where the trajectory stands: a loop that is made from it goes on with equal bits.
  package private(set) var position: SamplingPosition
  /// The current state: x_T before the first call, the samples after the last. N C H W.
  package var x: Tensor { position.x }
  /// How many network calls have been made.
  package var completed: Int { position.completed }

  private let denoiser: any Denoiser
  private let sampler: any Sampler
  private let images: [Int]
  private let conditioning: [Conditioning]
  private let noise: any NoiseProvider

  /// - Parameters:
  ///   - images: global image indices, one per batch entry; they select the noise.
  ///   - conditioning: one per image, of the form that the network takes; empty for unconditional networks.
  ///   - initial: standard normal noise, N C H W, that x_T is made of; nil draws it from `noise`.
  ///   - position: where another loop over the same images stood; nil starts at x_T.
  /// - Throws: before any network call, when sampler, schedule and network do not fit.
  package init(
    denoiser: any Denoiser, schedule: NoiseSchedule, sampler: any Sampler, images: [Int],
    conditioning: [Conditioning] = [],
    noise: any NoiseProvider, initial: Tensor? = nil, from position: SamplingPosition? = nil
  ) throws {
    plan = try sampler.plan(for: DiffusionProcess(schedule: schedule, predictionType: denoiser.predictionType))
    try sampler.check(learnsVariance: denoiser.learnsVariance)
    let dims = [images.count] + denoiser.imageShape.dims
    if let position {
      precondition(position.completed <= plan.calls.count && position.x.dims == dims)
      self.position = position
    } else {
      let drawn = try initial ?? noise.normals(images: images, shape: denoiser.imageShape, draw: .initial)
      guard drawn.dims == dims else { throw DiffusionError.initialNoise(expected: dims, found: drawn.dims) }
      let scale = plan.calls.first.map { sampler.initialScale(at: $0.level) } ?? 1
      self.position = SamplingPosition(
        completed: 0, x: scale == 1 ? drawn : .combining([(scale, drawn)]), history: .none)
    }
    self.denoiser = denoiser
    self.sampler = sampler
    self.images = images
    self.conditioning = conditioning
    self.noise = noise
  }

  /// Makes one network call; nil when the trajectory is complete.
  /// - Throws: `notFinite` with the image and the step at which a value stopped being a number; what the network throws.
  package mutating func next() throws -> SamplingState? {
    let index = completed
    guard index < plan.calls.count else { return nil }
    let call = plan.calls[index]
    let step = call.step
    let output = try denoiser.predict(x, at: step, conditioning: conditioning)
    let factor = sampler.noiseFactor(
      call: index, of: plan, residualVariance: denoiser.residualVariance(at: step))
    let result = try sampler.step(x, output: output, history: position.history, call: index, of: plan) {
      let drawn = try noise.normals(images: images, shape: denoiser.imageShape, draw: .step(step.index))
      return factor == 1 ? drawn : .combining(factor, drawn, 0, drawn)
    }
    if let bad = result.previous.values.firstIndex(where: { !$0.isFinite }) {
      throw DiffusionError.notFinite(image: images[bad / denoiser.imageShape.count], step: step)
    }
    let state = SamplingState(
      step: step, level: call.level, x: x, output: output, clean: result.clean, previous: result.previous,
      history: result.history)
    position = state.position
    return state
  }

  /// Makes the remaining calls.
  /// - Returns: the samples, N C H W.
  package mutating func run() throws -> Tensor {
    while try next() != nil {}
    return x
  }
}
