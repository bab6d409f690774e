import Diffusion
import Tensors
import Testing

@Suite("scheduler_config.json")
struct SchedulerConfigurationTests {
  static let file = "model/scheduler/scheduler_config.json"

  func decode(_ value: ConfigurationValue) throws -> SchedulerConfiguration {
    try SchedulerConfiguration.decode(value, file: Self.file)
  }

  func problems(_ value: ConfigurationValue) -> [String] {
    do {
      _ = try decode(value)
      return []
    } catch let error as ConfigurationError {
      return error.problems.map { "\($0.path): \($0.text)" }
    } catch {
      return ["\(error)"]
    }
  }

  @Test("absent keys take diffusers' defaults")
  func defaults() throws {
    let ddpm = try decode(["_class_name": "DDPMScheduler"])
    #expect(ddpm.process.predictionType == .epsilon)
    #expect(ddpm.process.schedule == (try NoiseSchedule(BetaSchedule())))
    #expect(
      try ddpm.sampler().configuration
        == DDPMSampler(selection: TimestepSelection(steps: 1000), noiseAtLastStep: true).configuration)
    let ddim = try decode(["_class_name": "DDIMScheduler"])
    #expect(
      try ddim.sampler(steps: 10).configuration
        == DDIMSampler(selection: TimestepSelection(steps: 10, previous: .stride)).configuration)
  }

  @Test("every key is heard")
  func everyKey() throws {
    let configuration = try decode([
      "_class_name": "DDIMScheduler", "_diffusers_version": "0.42.1", "num_train_timesteps": 60, "beta_start": 0.001,
      "beta_end": 0.03, "beta_schedule": "scaled_linear", "trained_betas": nil, "clip_sample": false,
      "clip_sample_range": 2.5, "prediction_type": "v_prediction", "thresholding": true,
      "dynamic_thresholding_ratio": 0.9, "sample_max_value": 1.5, "timestep_spacing": "leading", "steps_offset": 1,
      "set_alpha_to_one": false, "rescale_betas_zero_snr": true, "variance_type": "fixed_large",
    ])
    #expect(
      configuration.process.schedule.definition
        == BetaSchedule(
          trainTimesteps: 60, curve: .scaledLinear, start: 0.001, end: 0.03, rescaleToZeroSNR: true))
    #expect(configuration.process.predictionType == .velocity)
    let bounds = CleanImageBounds(
      clip: false, clipRange: 2.5, thresholding: true, thresholdingRatio: 0.9, thresholdLimit: 1.5)
    #expect(
      try configuration.sampler(steps: 5).configuration
        == DDIMSampler(
          selection: TimestepSelection(steps: 5, offset: 1, previous: .stride), bounds: bounds, setAlphaToOne: false
        ).configuration)
    #expect(
      try configuration.sampler(named: "ddpm", steps: 5).configuration
        == DDPMSampler(
          selection: TimestepSelection(steps: 5, offset: 1), varianceType: .fixedLarge, noiseAtLastStep: true,
          bounds: bounds
        ).configuration)
  }

  @Test("diffusers ignores the offset where the spacing fixes its ends")
  func ignoredOffset() throws {
    let configuration = try decode([
      "_class_name": "DDIMScheduler", "timestep_spacing": "trailing", "steps_offset": 1,
    ])
    #expect(try configuration.sampler(steps: 4).selection.offset == 0)
  }

  @Test("PNDM gives its schedule, and a sampler only by name")
  func pndm() throws {
    let configuration = try decode([
      "_class_name": "PNDMScheduler", "skip_prk_steps": true, "set_alpha_to_one": false, "steps_offset": 1,
      "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
    ])
    let error = #expect(throws: DiffusionError.self) { try configuration.sampler() }
    #expect(
      error?.description
        == """
        error[E-SCHEDULER-CLASS]: _class_name: no sampler can be made from "PNDMScheduler"
        hint: name a sampler: one of ddim, ddpm
        """)
    #expect(
      try configuration.sampler(named: "ddim", steps: 50).configuration
        == DDIMSampler(
          selection: TimestepSelection(steps: 50, offset: 1, previous: .stride), bounds: .init(clip: false),
          setAlphaToOne: false
        ).configuration)
  }

  @Test("every problem is named with its path, all at once")
  func everyProblem() {
    #expect(
      problems([
        "_class_name": "DDIMSchedular", "num_train_timesteps": 0, "beta_start": .number(.nan),
        "beta_schedule": "laplace",
        "timestep_spacing": "uniform", "prediction_type": "flow", "clip_sampel": true, "skip_prk_steps": true,
      ]) == [
        "\(Self.file): _class_name: expected one of DDPMScheduler, DDIMScheduler, PNDMScheduler, found \"DDIMSchedular\" (did you mean \"DDIMScheduler\"?)",
        "\(Self.file): num_train_timesteps: expected an integer from 1 to 100000, found 0",
        "\(Self.file): beta_schedule: expected one of linear, scaled_linear, squaredcos_cap_v2, sigmoid, found \"laplace\"",
        "\(Self.file): beta_start: expected a number from -1e+300 to 1e+300, found nan",
        "\(Self.file): prediction_type: expected one of epsilon, sample, v_prediction, found \"flow\"",
        "\(Self.file): timestep_spacing: expected one of leading, trailing, linspace, found \"uniform\"",
        "\(Self.file): clip_sampel: unknown key (did you mean \"clip_sample\"?)",
        "\(Self.file): skip_prk_steps: unknown key",
      ])
  }

  @Test("betas that make no schedule are named one by one")
  func badBetas() {
    #expect(
      problems(["_class_name": "DDPMScheduler", "num_train_timesteps": 3, "trained_betas": [0.1, 1.5]]) == [
        "\(Self.file): trained_betas: expected 3 values (num_train_timesteps), found 2",
        "\(Self.file): trained_betas[1]: expected a variance above 0 and below 1, found 1.5",
      ])
    #expect(
      problems(["_class_name": "DDPMScheduler", "num_train_timesteps": 2, "trained_betas": [0.1, .number(.nan)]]) == [
        "\(Self.file): trained_betas[1]: expected a finite number, found nan",
        "\(Self.file): trained_betas: expected 2 values (num_train_timesteps), found 1",
      ])
    #expect(
      problems(["_class_name": "DDPMScheduler", "beta_end": 1]) == [
        "\(Self.file): beta_end: expected a variance above 0 and below 1, found 1.0"
      ])
  }

  @Test("no class name, no scheduler")
  func missingClass() {
    #expect(
      problems([:]) == [
        "\(Self.file): _class_name: missing; expected one of DDPMScheduler, DDIMScheduler, PNDMScheduler"
      ])
    #expect(problems("text").first == "\(Self.file): expected a map, found a string")
  }

  @Test("what an artefact stores of the process reads back, and nothing may be missing")
  func processRoundTrip() throws {
    for definition in [
      BetaSchedule(curve: .sigmoid, start: 0.001, end: 0.02),
      BetaSchedule(trainTimesteps: 3, trainedBetas: [0.1, 0.2, 1 / 3.0], rescaleToZeroSNR: true),
    ] {
      let process = DiffusionProcess(schedule: try NoiseSchedule(definition), predictionType: .velocity)
      let reader = ConfigurationReader(process.configuration, file: "artefact")
      let read = DiffusionProcess(reading: reader)
      try reader.finish()
      #expect(read == process)
    }
    let reader = ConfigurationReader(["num_train_timesteps": 10], file: "artefact")
    _ = DiffusionProcess(reading: reader)
    let error = #expect(throws: ConfigurationError.self) { try reader.finish() }
    #expect(error?.problems.count == 5)
  }
}
