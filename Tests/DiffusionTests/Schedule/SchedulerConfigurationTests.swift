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
      ddpm.sampler().configuration
        == DDPMSampler(selection: TimestepSelection(steps: 1000), noiseAtLastStep: true).configuration)
    let ddim = try decode(["_class_name": "DDIMScheduler"])
    #expect(
      ddim.sampler(steps: 10).configuration
        == DDIMSampler(selection: TimestepSelection(steps: 10, previous: .stride)).configuration)
  }

  @Test("every key is heard")
  func everyKey() throws {
    let keys: ConfigurationValue = [
      "_class_name": "DDIMScheduler", "_diffusers_version": "0.42.1", "num_train_timesteps": 60, "beta_start": 0.001,
      "beta_end": 0.03, "beta_schedule": "scaled_linear", "trained_betas": nil, "clip_sample": false,
      "clip_sample_range": 2.5, "prediction_type": "v_prediction", "thresholding": true,
      "dynamic_thresholding_ratio": 0.9, "sample_max_value": 1.5, "timestep_spacing": "leading", "steps_offset": 1,
      "set_alpha_to_one": false, "rescale_betas_zero_snr": true, "variance_type": "fixed_large",
    ]
    let configuration = try decode(keys)
    #expect(
      configuration.process.schedule.definition
        == BetaSchedule(
          trainTimesteps: 60, curve: .scaledLinear, start: 0.001, end: 0.03, rescaleToZeroSNR: true))
    #expect(configuration.process.predictionType == .velocity)
    let bounds = CleanImageBounds(
      clip: false, clipRange: 2.5, thresholding: true, thresholdingRatio: 0.9, thresholdLimit: 1.5)
    #expect(
      configuration.ownSampler(steps: 5).configuration
        == DDIMSampler(
          selection: TimestepSelection(steps: 5, offset: 1), bounds: bounds, setAlphaToOne: false
        ).configuration)
    #expect(
      configuration.sampler(steps: 5).configuration
        == DDIMSampler(
          selection: TimestepSelection(steps: 5, offset: 1, previous: .stride), bounds: bounds, setAlphaToOne: false
        ).configuration)
    let ddpm = try decode(keys.setting("_class_name", "DDPMScheduler"))
    #expect(
      ddpm.sampler(steps: 5).configuration
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
    #expect(configuration.ownSampler(steps: 4).configuration["steps_offset"] == 0)
  }

  @Test("epsilon is recomputed where the file says so, and the sampler's own choice is then compared")
  func recomputing() throws {
    let configuration = try decode(["_class_name": "DDIMScheduler", "use_clipped_model_output": true])
    let own = configuration.ownSampler(steps: 4)
    #expect(own.recomputeEpsilon)
    #expect(configuration.unused.isEmpty)
    #expect(configuration.differences(from: own).isEmpty)
    var other = own
    other.recomputeEpsilon = false
    let found = configuration.differences(from: other)
    #expect(found.map(\.key) == ["recompute_epsilon"])
    #expect(found.first?.file == true && found.first?.used == false)
    let plain = try decode(["_class_name": "DDIMScheduler"])
    #expect(plain.differences(from: own).isEmpty)
  }

  @Test("PNDM gives its schedule, and what its file says of DDIM")
  func pndm() throws {
    let configuration = try decode([
      "_class_name": "PNDMScheduler", "skip_prk_steps": true, "set_alpha_to_one": false, "steps_offset": 1,
      "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
    ])
    #expect(
      configuration.ownSampler(steps: 50).configuration
        == DDIMSampler(
          selection: TimestepSelection(steps: 50, offset: 1), bounds: .init(clip: false),
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
        "use_flow_sigmas": true,
      ]) == [
        "\(Self.file): _class_name: expected a scheduler with a schedule of betas, found \"DDIMSchedular\" (did you mean \"DDIMScheduler\"?)",
        "\(Self.file): num_train_timesteps: expected an integer from 1 to 100000, found 0",
        "\(Self.file): beta_schedule: expected one of linear, scaled_linear, squaredcos_cap_v2, sigmoid, found \"laplace\"",
        "\(Self.file): beta_start: expected a number from -1e+300 to 1e+300, found nan",
        "\(Self.file): prediction_type: expected one of epsilon, sample, v_prediction, found \"flow\"",
        "\(Self.file): timestep_spacing: expected one of leading, trailing, linspace, found \"uniform\"",
        "\(Self.file): use_flow_sigmas: true makes the process flow matching, which has no betas",
        "\(Self.file): clip_sampel: unknown key (did you mean \"clip_sample\"?)",
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
        "\(Self.file): _class_name: missing; expected the name of a diffusers scheduler, such as DDPMScheduler"
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

  // MARK: The model's own sampler

  @Test("the own sampler is 50 DDIM steps with the file's settings, whatever its class")
  func own() throws {
    let plain = try decode(["_class_name": "DDPMScheduler", "variance_type": "fixed_large"])
    #expect(plain.ownSampler() == DDIMSampler(selection: TimestepSelection(steps: 50)))
    let settings = try decode([
      "_class_name": "DDPMScheduler", "clip_sample": false, "clip_sample_range": 3, "thresholding": true,
      "dynamic_thresholding_ratio": 0.9, "sample_max_value": 2, "timestep_spacing": "trailing", "steps_offset": 1,
      "set_alpha_to_one": false,
    ])
    #expect(
      settings.ownSampler()
        == DDIMSampler(
          selection: TimestepSelection(steps: 50, spacing: .trailing),
          bounds: .init(clip: false, clipRange: 3, thresholding: true, thresholdingRatio: 0.9, thresholdLimit: 2),
          setAlphaToOne: false))
    // 1000 div 30 is 33 and leads from 990 to 957, trailing spacing from 999 to 966: the stride is another rule there.
    #expect(settings.ownSampler(steps: 30).selection.previous == .stride)
    #expect(plain.ownSampler(steps: 30).selection.previous == .list)
    let euler = try decode(["_class_name": "EulerDiscreteScheduler", "beta_schedule": "scaled_linear"])
    #expect(euler.ownSampler().bounds.clip == false)
    #expect(euler.ownSampler().selection.spacing == .linspace)
  }

  @Test("a model with fewer timesteps than 50 takes each")
  func ownOfFew() throws {
    let few = try decode(["_class_name": "DDPMScheduler", "num_train_timesteps": 4])
    #expect(few.ownSampler().selection.steps == 4)
    #expect(few.ownSampler(steps: 2).selection.steps == 2)
  }

  @Test("settings in which a sampler differs from the file are listed")
  func differences() throws {
    let file = try decode([
      "_class_name": "DDPMScheduler", "clip_sample": false, "timestep_spacing": "trailing",
      "variance_type": "fixed_large",
    ])
    func keys(_ sampler: any Sampler) -> [String] { file.differences(from: sampler).map(\.key) }
    #expect(keys(file.ownSampler(steps: 10)) == [])
    #expect(keys(DDIMSampler(selection: TimestepSelection(steps: 10))) == ["timestep_spacing", "clip_sample"])
    #expect(
      keys(DDPMSampler(selection: TimestepSelection(steps: 10))) == [
        "timestep_spacing", "variance_type", "clip_sample",
      ])
    let respaced = DDIMSampler(
      selection: TimestepSelection(respacing: try #require(Respacing("10"))), bounds: .init(clip: false))
    #expect(keys(respaced) == [])
  }

  // MARK: Files of other schedulers and other times

  @Test(
    "every other scheduler of betas gives its schedule, and its own keys are listed as unused",
    arguments: SchedulerClass.all)
  func otherClasses(known: SchedulerClass) throws {
    let read = try decode([
      "_class_name": .string(known.name), "_diffusers_version": "0.30.0", "beta_schedule": "linear",
      "beta_start": 0.001, "beta_end": 0.01, "use_karras_sigmas": true, "sigma_max": nil,
      "algorithm_type": "dpmsolver++",
      "solver_order": 2, "timestep_type": "discrete", "something_new": [1, 2],
    ])
    #expect(read.process.schedule.definition == BetaSchedule(start: 0.001, end: 0.01))
    #expect(
      read.unused.map(\.key) == [
        "use_karras_sigmas", "sigma_max", "algorithm_type", "solver_order", "timestep_type", "something_new",
      ])
    #expect(read.ownSampler().selection.steps == 50)
  }

  @Test("keys of the first versions are listed as unused; the old name of the prediction is heard")
  func oldKeys() throws {
    let old = try decode([
      "_class_name": "DDPMScheduler", "_diffusers_version": "0.1.1", "tensor_format": "pt", "timestep_values": nil,
      "clip_alphas_at_one": true, "predict_epsilon": false,
    ])
    #expect(old.unused.map(\.key) == ["tensor_format", "timestep_values", "clip_alphas_at_one"])
    #expect(old.process.predictionType == .sample)
    #expect(
      problems(["_class_name": "DDPMScheduler", "predict_epsilon": false, "prediction_type": "epsilon"]) == [
        "\(Self.file): predict_epsilon: false contradicts prediction_type \"epsilon\"; leave one of them out"
      ])
    let offset = try decode(["_class_name": "DDIMScheduler", "timestep_spacing": "trailing", "steps_offset": 1])
    #expect(offset.unused == [.init("steps_offset", 1)])
  }

  @Test("absent keys mean what the named class means by them")
  func classDefaults() throws {
    #expect(
      try decode(["_class_name": "LCMScheduler"]).process.schedule.definition
        == BetaSchedule(curve: .scaledLinear, start: 0.00085, end: 0.012))
    #expect(
      try decode(["_class_name": "HeunDiscreteScheduler"]).process.schedule.definition
        == BetaSchedule(start: 0.00085, end: 0.012))
  }

  @Test("a class without betas is refused by name, with its process; an unknown one needs betas in the file")
  func otherProcesses() throws {
    let expected = "\(Self.file): _class_name: expected a scheduler with a schedule of betas, found"
    #expect(
      problems(["_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3]) == [
        "\(expected) \"FlowMatchEulerDiscreteScheduler\", whose process is another: flow matching, a straight path between noise and image"
      ])
    #expect(
      problems(["_class_name": "EDMEulerScheduler", "sigma_data": 0.5]) == [
        "\(expected) \"EDMEulerScheduler\", whose process is another: continuous noise levels with a preconditioned network (EDM)"
      ])
    #expect(
      problems(["_class_name": "ScoreSdeVeScheduler"]) == [
        "\(expected) \"ScoreSdeVeScheduler\", whose process is another: a variance that explodes (VE), noise added to an unscaled image"
      ])
    #expect(
      problems(["_class_name": "MyOwnThing"]) == [
        "\(expected) \"MyOwnThing\", which is not known, and the file states no betas"
      ])
    #expect(try decode(["_class_name": "MyOwnThing", "beta_schedule": "linear"]).schedulerClass.name == "MyOwnThing")
    #expect(
      problems([
        "_class_name": "EulerDiscreteScheduler", "timestep_type": "continuous", "prediction_type": "v_prediction",
      ]) == [
        "\(Self.file): timestep_type: \"continuous\" hands the network noise levels instead of timesteps (EDM)"
      ])
  }
}
