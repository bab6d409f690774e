import Tensors

/// Where a loop's standard normals come from: `NoiseSource`, or recorded tensors in comparisons with other programs.
package protocol NoiseProvider: Sendable {
  /// - Returns: N C H W, a row per entry of `images` (global image indices).
  func normals(images: [Int], shape: ImageShape, draw: NoiseDraw) throws -> Tensor
}

extension NoiseSource: NoiseProvider {}

/// One step of a trajectory, complete: what the network was given, what it said, and what the sampler made of it.
package struct SamplingState: Sendable {
  package let step: Step
  /// x_t, the network's input. N C H W.
  package let x: Tensor
  /// The network's output, a learned variance included.
  package let output: Tensor
  /// The prediction of x_0, clipped as the sampler does.
  package let clean: Tensor
  /// x_(t-1).
  package let previous: Tensor
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
  /// In execution order.
  package let steps: [Step]
  /// The current state: x_T before the first step, the samples after the last. N C H W.
  package private(set) var x: Tensor
  /// How many steps have been taken.
  package private(set) var completed = 0

  private let denoiser: any Denoiser
  private let process: DiffusionProcess
  private let sampler: any Sampler
  private let images: [Int]
  private let conditioning: [Conditioning]
  private let noise: any NoiseProvider

  /// - Parameters:
  ///   - images: global image indices, one per batch entry; they select the noise.
  ///   - conditioning: one per image, of the form that the network takes; empty for unconditional networks.
  ///   - initial: x_T, N C H W; nil draws it from `noise`.
  /// - Throws: before any network call, when sampler, schedule and network do not fit.
  package init(
    denoiser: any Denoiser, schedule: NoiseSchedule, sampler: any Sampler, images: [Int],
    conditioning: [Conditioning] = [],
    noise: any NoiseProvider, initial: Tensor? = nil
  ) throws {
    process = DiffusionProcess(schedule: schedule, predictionType: denoiser.predictionType)
    steps = try sampler.steps(for: process)
    try sampler.check(learnsVariance: denoiser.learnsVariance)
    let dims = [images.count] + denoiser.imageShape.dims
    x = try initial ?? noise.normals(images: images, shape: denoiser.imageShape, draw: .initial)
    guard x.dims == dims else { throw DiffusionError.initialNoise(expected: dims, found: x.dims) }
    self.denoiser = denoiser
    self.sampler = sampler
    self.images = images
    self.conditioning = conditioning
    self.noise = noise
  }

  /// Takes one step; nil when the trajectory is complete.
  /// - Throws: `notFinite` with the image and the step at which a value stopped being a number; what the network throws.
  package mutating func next() throws -> SamplingState? {
    guard completed < steps.count else { return nil }
    let step = steps[completed]
    let output = try denoiser.predict(x, at: step, conditioning: conditioning)
    let factor = sampler.noiseFactor(
      at: step, process: process, residualVariance: denoiser.residualVariance(at: step))
    let result = try sampler.step(x, output: output, at: step, process: process) {
      let drawn = try noise.normals(images: images, shape: denoiser.imageShape, draw: .step(step.index))
      return factor == 1 ? drawn : .combining(factor, drawn, 0, drawn)
    }
    if let bad = result.previous.values.firstIndex(where: { !$0.isFinite }) {
      throw DiffusionError.notFinite(image: images[bad / denoiser.imageShape.count], step: step)
    }
    let state = SamplingState(step: step, x: x, output: output, clean: result.clean, previous: result.previous)
    x = result.previous
    completed += 1
    return state
  }

  /// Takes the remaining steps.
  /// - Returns: the samples, N C H W.
  package mutating func run() throws -> Tensor {
    while try next() != nil {}
    return x
  }
}
