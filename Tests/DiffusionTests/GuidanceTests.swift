import Diffusion
import Formats
import Tensors
import TestSupport
import Testing

@Suite("Guidance")
struct GuidanceTests {
  static let shape = ImageShape(channels: 2, height: 3, width: 5)
  static let step = Step(index: 0, timestep: Timestep(500), previous: nil)

  @Test("combinations and rescaled ones as recorded", arguments: [0.0, 1, 3, 7.5], [0.0, 0.5, 0.7, 1])
  func recorded(scale: Double, rescale: Double) throws {
    let archive = try NPZ.read(Fixtures.path("samplers/guidance.npz"))
    func floats(_ name: String) throws -> Tensor { try #require(archive.tensors[name]?.floats(), "no \(name)") }
    let (without, with) = (try floats("uncond"), try floats("cond"))
    let guidance = Guidance(scale: scale, rescale: rescale, unconditional: .none)
    let found = guidance.applied(unconditional: without, conditional: with)
    #expect(trajectoryError(found, try floats("cfg/\(scale)/rescale\(rescale)")) <= 1e-5)
    if rescale == 0 { #expect(trajectoryError(found, try floats("cfg/\(scale)")) <= 1e-5) }
  }

  /// A network whose prediction is the sum of the input and its label, with a second half where it learns a variance; counts
  /// the images of its calls.
  final class Labelled: Denoiser, Sendable {
    let learnsVariance: Bool
    init(learnsVariance: Bool = false) { self.learnsVariance = learnsVariance }
    var imageShape: ImageShape { GuidanceTests.shape }
    var predictionType: PredictionType { .epsilon }
    var conditioning: ConditioningForm { ConditioningForm(classes: 9) }

    func predict(_ x: Tensor, at step: Step, conditioning: [Conditioning]) throws -> Tensor {
      let images = x.dims[0]
      #expect(conditioning.count == images)
      let channels = learnsVariance ? 4 : 2
      return Tensor(
        [images, channels, 3, 5],
        (0..<images).flatMap { image -> [Float] in
          let label = Float(conditioning[image].label ?? -1)
          let first = x.rows(image..<image + 1).values.map { $0 * 0.5 + label }
          return learnsVariance ? first + first.map { -$0 } : first
        })
    }
  }

  @Test("both branches in one batch or two calls: equal bits", arguments: [false, true])
  func branches(learnsVariance: Bool) throws {
    let x = NoiseSource(seed: 4, stream: .sample).normals(images: [0, 1, 2], shape: Self.shape, draw: .initial)
    let labels = [3, 0, 7].map { Conditioning(label: $0) }
    let guidance = Guidance(scale: 2.5, rescale: 0.3, unconditional: Conditioning(label: 8))
    let base = Labelled(learnsVariance: learnsVariance)
    let joined = try GuidedDenoiser(base, guidance).predict(x, at: Self.step, conditioning: labels)
    let apart = try GuidedDenoiser(base, guidance, joinsBranches: false).predict(x, at: Self.step, conditioning: labels)
    #expect(joined == apart)
    #expect(joined.dims == [3, learnsVariance ? 4 : 2, 3, 5])
    if learnsVariance {
      // The second half is the conditional branch's.
      let plain = try base.predict(x, at: Self.step, conditioning: labels)
      #expect(joined.channelHalves().second == plain.channelHalves().second)
    }
    // An image does not depend on its batch.
    let alone = try GuidedDenoiser(base, guidance).predict(x.rows(1..<2), at: Self.step, conditioning: [labels[1]])
    #expect(alone == joined.rows(1..<2))
  }

  @Test("a scale of 1 is the network itself, rescaled or not; an unconditional network can only have that")
  func off() throws {
    let x = NoiseSource(seed: 4, stream: .sample).normals(images: [0], shape: Self.shape, draw: .initial)
    let labels = [Conditioning(label: 5)]
    let base = Labelled()
    let guided = try GuidedDenoiser(base, Guidance(scale: 1, rescale: 0.7, unconditional: Conditioning(label: 8)))
    #expect(
      try guided.predict(x, at: Self.step, conditioning: labels)
        == base.predict(x, at: Self.step, conditioning: labels))
    let unconditional = ReferenceDenoiser(imageShape: Self.shape)
    _ = try GuidedDenoiser(unconditional, Guidance(scale: 1, unconditional: .none))
    let error = #expect(throws: DiffusionError.self) {
      try GuidedDenoiser(unconditional, Guidance(scale: 2, unconditional: .none))
    }
    #expect(
      error?.description == """
        error[E-GUIDANCE]: guidance needs a network that is conditioned on something, and this one takes no conditioning
        hint: leave the guidance out
        """)
  }

  @Test("the noise that a corrected network's epsilon carries grows as that of independent branches")
  func variance() throws {
    struct Noisy: Denoiser {
      var imageShape: ImageShape { GuidanceTests.shape }
      var predictionType: PredictionType { .epsilon }
      var learnsVariance: Bool { false }
      var conditioning: ConditioningForm { ConditioningForm(classes: 2) }
      func predict(_ x: Tensor, at step: Step, conditioning: [Conditioning]) -> Tensor { x }
      func residualVariance(at step: Step) -> Double { 0.01 }
    }
    func variance(_ scale: Double) throws -> Double {
      try GuidedDenoiser(Noisy(), Guidance(scale: scale, unconditional: Conditioning(label: 1)))
        .residualVariance(at: Self.step)
    }
    #expect(try variance(1) == 0.01)
    #expect(abs(try variance(3) - 0.13) < 1e-15)
  }
}
