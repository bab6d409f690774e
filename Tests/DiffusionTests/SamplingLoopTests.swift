import Diffusion
import Tensors
import Testing

@Suite("Sampling loop")
struct SamplingLoopTests {
  static let shape = ImageShape(channels: 1, height: 4, width: 4)
  static let schedule = try! NoiseSchedule(BetaSchedule())
  static let noise = NoiseSource(seed: 3, stream: .sample)

  func loop(
    _ sampler: any Sampler, denoiser: any Denoiser = ReferenceDenoiser(imageShape: shape), images: [Int] = [0, 1],
    initial: Tensor? = nil, schedule: NoiseSchedule = schedule
  ) throws -> SamplingLoop {
    try SamplingLoop(
      denoiser: denoiser, schedule: schedule, sampler: sampler, images: images, noise: Self.noise, initial: initial)
  }

  @Test("the sequence shows every step whole, and its states join")
  func states() throws {
    var loop = try self.loop(DDIMSampler(selection: TimestepSelection(steps: 5), eta: 0.5))
    #expect(loop.x == Self.noise.normals(images: [0, 1], shape: Self.shape, draw: .initial))
    var states: [SamplingState] = []
    while let state = try loop.next() {
      #expect(state.previous == loop.x)
      #expect(loop.completed == states.count + 1)
      states.append(state)
    }
    #expect(states.map(\.step) == loop.steps)
    #expect(states.map(\.step.timestep) == [800, 600, 400, 200, 0].map { Timestep($0) })
    for (earlier, later) in zip(states, states.dropFirst()) { #expect(earlier.previous == later.x) }
    #expect(states[4].previous == states[4].clean)
    #expect(try loop.next() == nil)
  }

  @Test("x_T can be given")
  func givenStart() throws {
    let start = Tensor([2, 1, 4, 4], repeating: 0.25)
    var loop = try self.loop(DDIMSampler(selection: TimestepSelection(steps: 2)), initial: start)
    #expect(try loop.next()?.x == start)
    let error = #expect(throws: DiffusionError.self) {
      try self.loop(DDIMSampler(selection: TimestepSelection(steps: 2)), initial: Tensor([1, 1, 4, 4]))
    }
    #expect(
      error?.description
        == "error[E-SAMPLE-INITIAL-NOISE]: initial noise has shape [1, 1, 4, 4], expected [2, 1, 4, 4]")
  }

  /// For Gaussian data the deterministic sampler's limit is known: x standardised by its marginal stays constant along the
  /// probability flow (Song et al. 2021, section 4.3). DDIM is a first-order method, so ten times the steps must leave
  /// about a tenth of the error; a fifth is asked for.
  @Test("DDIM converges to the exact flow of a Gaussian at first order")
  func gaussianFlow() throws {
    let exact = GaussianDenoiser(imageShape: Self.shape, schedule: Self.schedule, mean: 0.4, deviation: 0.3)
    var errors: [Double] = []
    for steps in [10, 100, 1000] {
      let sampler = DDIMSampler(
        selection: TimestepSelection(steps: steps, spacing: .trailing), bounds: .init(clip: false))
      var loop = try self.loop(sampler, denoiser: exact, images: Array(0..<16))
      let (center, variance) = exact.marginal(at: loop.steps[0].timestep)
      let expected = loop.x.values.map { 0.4 + 0.3 * (Double($0) - center) / variance.squareRoot() }
      let samples = try loop.run()
      errors.append(zip(samples.values, expected).map { abs(Double($0) - $1) }.max()!)
    }
    #expect(errors[1] < errors[0] / 5 && errors[2] < errors[1] / 5, "\(errors)")
    #expect(errors[2] < 0.01)
  }

  /// With the exact denoiser and every timestep, ancestral sampling draws from the data distribution up to its
  /// discretisation. 8,192 values: limits are 4 standard errors plus 1% for the 1000 steps.
  @Test("DDPM draws from the distribution of the data", arguments: [VarianceType.fixedSmall, .fixedLarge])
  func gaussianDraws(variance: VarianceType) throws {
    let exact = GaussianDenoiser(imageShape: Self.shape, schedule: Self.schedule, mean: 0.4, deviation: 0.3)
    let sampler = DDPMSampler(
      selection: TimestepSelection(steps: 1000), varianceType: variance, bounds: .init(clip: false))
    var loop = try self.loop(sampler, denoiser: exact, images: Array(0..<512))
    let (n, mean, deviation) = moments(try loop.run())
    #expect(abs(mean - 0.4) < 4 * 0.3 / n.squareRoot() + 0.004)
    #expect(abs(deviation - 0.3) < 4 * 0.3 / (2 * n).squareRoot() + 0.003)
  }

  @Test("a value that stops being a number is named with its image and step")
  func notFinite() throws {
    struct Failing: Denoiser {
      var imageShape: ImageShape { SamplingLoopTests.shape }
      var predictionType: PredictionType { .epsilon }
      var learnsVariance: Bool { false }
      var conditioning: ConditioningForm { .unconditional }
      func predict(_ x: Tensor, at step: Step, conditioning: [Conditioning]) -> Tensor {
        var output = x
        if step.index == 1 { output.values[20] = .nan }
        return output
      }
    }
    var loop = try self.loop(DDIMSampler(selection: TimestepSelection(steps: 4)), denoiser: Failing(), images: [7, 9])
    #expect(try loop.next() != nil)
    let error = #expect(throws: DiffusionError.self) { try loop.next() }
    #expect(
      error?.description
        == """
        error[E-SAMPLE-NOT-FINITE]: image 9 holds values that are not finite after step 1 (timestep 500)
        hint: check the weights, or clip x_0 (clip_sample: true)
        """)
  }

  @Test("an output of another shape is refused")
  func wrongOutput() throws {
    struct Wrong: Denoiser {
      var imageShape: ImageShape { SamplingLoopTests.shape }
      var predictionType: PredictionType { .epsilon }
      var learnsVariance: Bool { false }
      var conditioning: ConditioningForm { .unconditional }
      func predict(_ x: Tensor, at step: Step, conditioning: [Conditioning]) -> Tensor { Tensor([2, 3, 4, 4]) }
    }
    var loop = try self.loop(DDIMSampler(selection: TimestepSelection(steps: 4)), denoiser: Wrong())
    let error = #expect(throws: DiffusionError.self) { try loop.next() }
    #expect(
      error?.description
        == "error[E-SAMPLE-OUTPUT]: the network's output has shape [2, 3, 4, 4], expected [2, 1, 4, 4]")
  }

  @Test("a learned variance needs a network that has one")
  func learnedVariance() throws {
    let sampler = DDPMSampler(selection: TimestepSelection(steps: 4), varianceType: .learnedRange)
    let error = #expect(throws: DiffusionError.self) { try self.loop(sampler) }
    #expect(
      error?.description
        == """
        error[E-SAMPLER-VARIANCE]: variance_type: learned_range needs a network that outputs a variance, and this one does not
        hint: use fixed_small or fixed_large
        """)
    // The other way round the second half is left alone.
    let learning = ReferenceDenoiser(imageShape: Self.shape, variance: .range)
    var with = try loop(DDIMSampler(selection: TimestepSelection(steps: 4)), denoiser: learning)
    var without = try loop(DDIMSampler(selection: TimestepSelection(steps: 4)))
    #expect(try with.run() == without.run())
  }

  @Test("epsilon prediction cannot start where no signal is left; v prediction can")
  func zeroSNR() throws {
    let schedule = try NoiseSchedule(BetaSchedule(rescaleToZeroSNR: true))
    let sampler = DDIMSampler(selection: TimestepSelection(steps: 4, spacing: .trailing))
    let error = #expect(throws: DiffusionError.self) { try self.loop(sampler, schedule: schedule) }
    #expect(
      error?.description
        == """
        error[E-SAMPLER-ZERO-SNR]: the model predicts epsilon, but at timestep 999 x_t is pure noise (alphaBar is 0): x_0 is undefined there
        hint: start below this timestep (timestep_spacing leading or quadratic)
        """)
    let velocity = ReferenceDenoiser(imageShape: Self.shape, predictionType: .velocity)
    var loop = try self.loop(sampler, denoiser: velocity, schedule: schedule)
    #expect(try loop.run().values.allSatisfy(\.isFinite))
  }
}
