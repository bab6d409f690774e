import Diffusion
import Execution
import Graphs
import Quantization
import Tensors
import TestSupport
import Testing

@Suite struct CalibrationSetTests {
  private let uniform = Recipe.Calibration(
    distribution: .uniform(every: 1), trajectories: 5, seed: 3, labels: .balanced)

  private func ndtc(_ pairing: Recipe.Pairing) -> Recipe.Calibration {
    Recipe.Calibration(
      distribution: .ndtc(mean: 0.4, std: 0.4, pairing: pairing), trajectories: 12, seed: 3, labels: .balanced)
  }

  private func everything(_ set: CalibrationSet) -> [CalibrationSamples] {
    set.counts.enumerated().map { set.samples(step: $0, 0..<$1) }
  }

  @Test("samples are the states of the sampling loop, each with its own step") func states() throws {
    let tiny = try TinyModel()
    let set = try tiny.calibrationSet(uniform, steps: 4, batch: 2)
    #expect(set.counts == [5, 5, 5, 5])
    let sampling = try tiny.sampling(steps: 4)
    for trajectory in 0..<5 {
      var loop = try SamplingLoop(
        denoiser: sampling.denoiser, schedule: sampling.schedule, sampler: sampling.sampler, images: [trajectory],
        noise: NoiseSource(seed: 3, stream: .calibrate))
      while let state = try loop.next() {
        let sample = set.samples(step: state.step.index, trajectory..<trajectory + 1)
        #expect(sample.x == state.x)
        #expect(sample.trajectories == [trajectory])
      }
    }
  }

  @Test("a trajectory that leaves the numbers is named with its step, whatever is kept of it") func overflow() throws {
    let tiny = try TinyModel()
    var parameters = tiny.model.parameters
    parameters["conv_out.weight"]!.values = parameters["conv_out.weight"]!.values.map { $0 < 0 ? -3e38 : 3e38 }
    let denoiser = try NetworkDenoiser(
      graph: tiny.model.graph, executor: ReferenceExecutor(Model(graph: tiny.model.graph, parameters: parameters)),
      predictionType: .epsilon)
    let sampling = CalibrationSampling(
      denoiser: denoiser, schedule: TinyModel.process.schedule, sampler: TinyModel.sampler(steps: 4),
      modelDigest: TinyModel.digest, batch: 8)
    for calibration in [uniform, ndtc(.paper)] {
      let builder = CalibrationSetBuilder()
      let error = thrownError { try sampling.run(calibration, into: builder) { _ in } } as? DiffusionError
      #expect(error?.id == "E-SAMPLE-NOT-FINITE")
      #expect(
        error?.message.hasSuffix("holds values that are not finite after step 0 (timestep 750)") == true,
        "\(String(describing: error))")
    }
  }

  @Test("the code's pairing keeps results under mirrored steps") func codePairing() throws {
    let tiny = try TinyModel()
    let set = try tiny.calibrationSet(ndtc(.code), steps: 4)
    let drawn = CalibrationPlan.normallyDistributedSteps(12, mean: 0.4, std: 0.4, stepCount: 4, seed: 3)
    let sampling = try tiny.sampling(steps: 4)
    for group in everything(set) {
      for (row, trajectory) in group.trajectories.enumerated() {
        #expect(group.step == 3 - drawn[trajectory])
        var loop = try SamplingLoop(
          denoiser: sampling.denoiser, schedule: sampling.schedule, sampler: sampling.sampler, images: [trajectory],
          noise: NoiseSource(seed: 3, stream: .calibrate))
        for _ in 0...drawn[trajectory] { _ = try loop.next() }
        #expect(group.x.rows(row..<row + 1) == loop.x)
      }
    }
  }

  @Test("the content does not depend on the batch", arguments: [1, 3, 64]) func batches(batch: Int) throws {
    let tiny = try TinyModel(classes: 3)
    for calibration in [uniform, ndtc(.paper), ndtc(.code)] {
      let whole = try tiny.calibrationSet(calibration, steps: 4, batch: 5)
      let other = try tiny.calibrationSet(calibration, steps: 4, batch: batch)
      #expect(everything(whole) == everything(other))
      #expect(whole.provenance == other.provenance)
    }
  }

  @Test("the announced counts come") func counts() throws {
    final class Counting: CalibrationSink {
      var announced: [Int] = []
      var found: [Int] = []
      func begin(_ provenance: CalibrationProvenance, counts: [Int]) {
        (announced, found) = (counts, counts.map { _ in 0 })
      }
      func append(_ samples: CalibrationSamples) { found[samples.step] += samples.count }
    }
    for calibration in [uniform, ndtc(.paper), ndtc(.code)] {
      let sink = Counting()
      try TinyModel().sampling(steps: 6, batch: 4).run(calibration, into: sink) { _ in }
      #expect(sink.announced == sink.found)
      #expect(!sink.found.isEmpty)
    }
  }

  @Test("labels: balanced, cycled, and refused beyond the classes") func labels() throws {
    let tiny = try TinyModel(classes: 3)
    var calibration = uniform
    #expect(
      try tiny.calibrationSet(calibration, steps: 2).samples(step: 1, 0..<5).conditioning.map(\.label) == [
        0, 1, 2, 0, 1,
      ])
    calibration.labels = .cycled([2, 0])
    #expect(
      try tiny.calibrationSet(calibration, steps: 2).samples(step: 0, 0..<5).conditioning.map(\.label) == [
        2, 0, 2, 0, 2,
      ])
    calibration.labels = .cycled([1, 3])
    let error = thrownError { _ = try tiny.calibrationSet(calibration, steps: 2) } as? QuantizationError
    #expect(error?.description == "error[E-CAL-LABEL]: calibration.labels names class 3, the model has classes 0 to 2")
    #expect(try TinyModel().calibrationSet(uniform, steps: 2).samples(step: 0, 0..<5).conditioning == [])
  }

  @Test("provenance survives being written") func provenance() throws {
    for calibration in [uniform, ndtc(.code)] {
      for classes in [nil, 3] {
        let written = try TinyModel(classes: classes).sampling(steps: 4).provenance(calibration)
        #expect(try CalibrationProvenance(written.encode(), file: "set.h5") == written)
      }
    }
  }

  @Test("foreign and damaged provenance is refused by name") func damaged() throws {
    let value = try TinyModel().sampling(steps: 2).provenance(uniform).encode()
    func refusal(_ value: ConfigurationValue) -> String? {
      thrownError { _ = try CalibrationProvenance(value, file: "set.h5") }.map { "\($0)" }
    }
    #expect(
      refusal(value.setting("schema", "other"))
        == "error[E-CAL-KIND]: set.h5 is not a calibration set of Halftone: it names no such schema")
    #expect(
      refusal(value.setting("schema_version", 2)) == """
        error[E-SCHEMA]: set.h5 has schema version 2, this program knows version 1
        hint: open it with a newer version of Halftone
        """)
    #expect(
      refusal(value.setting("steps.previous", [nil])) == """
        error[E-CONFIG]: set.h5: steps: expected from 1 to 65536 timesteps and as many previous, found 2 and 1
        """)
    #expect(
      refusal(value.setting("image_shape", [1, 8])) == """
        error[E-CONFIG]: set.h5: image_shape: expected channels, height and width, found 2 numbers
        """)
    #expect(
      refusal(value.setting("calibration", nil)) == "error[E-CONFIG]: set.h5: calibration: missing; expected a map")
  }
}

@Suite struct CalibrationFitTests {
  /// What a set for the plain recipe on four steps is told when the model or recipe changes.
  private func refusal(
    digest: String = TinyModel.digest, classes: Int? = nil, steps: Int = 4, _ change: (inout Recipe) -> Void = { _ in }
  ) throws -> String? {
    var recipe = try Recipe.plain()
    let provenance = try TinyModel().sampling(steps: 4).provenance(recipe.calibration)
    change(&recipe)
    let wanted = try TinyModel().sampling(steps: steps).provenance(recipe.calibration)
    let graph = try TinyModel(classes: classes).model.graph
    return thrownError {
      try provenance.check(
        fits: recipe, graph: graph, modelDigest: digest, sampler: wanted.sampler, steps: wanted.steps)
    }.map { "\($0)" }
  }

  private let hint = "\nhint: make a set for this model and recipe with 'halftone calibrate'"

  @Test("a set of the same model, sampler and distribution is accepted, another seed and more samples included")
  func accepted() throws {
    #expect(try refusal() == nil)
    #expect(try refusal { $0.calibration.seed = 99 } == nil)
    #expect(try refusal { $0.calibration.trajectories = 3 } == nil)
  }

  @Test("everything else is refused with what differs") func refused() throws {
    #expect(
      try refusal(digest: "sha256:other")
        == "error[E-CAL-MODEL]: the calibration set was made with another model: it names sha256:tiny, this model is sha256:other"
        + hint)
    #expect(
      try refusal(classes: 3)
        == "error[E-CAL-SHAPE]: the calibration set holds images of 1x8x8, the model takes 1x8x8 in 3 classes" + hint)
    #expect(
      try refusal(steps: 5)
        == "error[E-CAL-SAMPLER]: the calibration set was made with another sampler:\n  steps: the set has 4, the recipe 5"
        + hint)
    #expect(
      try refusal { $0.calibration.trajectories = 9 }
        == "error[E-CAL-SMALL]: the calibration set holds 4 trajectories, the recipe asks for 9" + hint)
    #expect(
      try refusal { $0.calibration.distribution = .uniform(every: 2) }
        == "error[E-CAL-DISTRIBUTION]: the calibration set was drawn otherwise than the recipe says:\n  every: the set has 1, the recipe 2"
        + hint)
  }

  @Test("equal samplers on another schedule differ in their steps") func schedule() throws {
    let recipe = try Recipe.plain()
    let own = try TinyModel().sampling(steps: 4).provenance(recipe.calibration)
    var other = own.steps
    other[0] = Step(index: 0, timestep: Timestep(999), previous: other[0].previous)
    let graph = try TinyModel().model.graph
    let error =
      thrownError {
        try own.check(fits: recipe, graph: graph, modelDigest: TinyModel.digest, sampler: own.sampler, steps: other)
      } as? QuantizationError
    #expect(
      error?.message
        == "the calibration set was made with another sampler:\n  steps: the set has 4 (750, 500, 250, 0), the recipe gives 4 (999, 500, 250, 0)"
    )
  }
}
