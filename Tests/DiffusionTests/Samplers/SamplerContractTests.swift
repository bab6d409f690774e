import Diffusion
import Tensors
import Testing

/// What every sampler of the catalogue promises, whatever its settings.
@Suite("Contract of samplers")
struct SamplerContractTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let configuration: ConfigurationValue
    let prediction: PredictionType
    var testDescription: String { "\(changes) \(prediction.rawValue)" }
    let changes: String

    var sampler: any Sampler {
      get throws { try SamplerCatalog.decode(configuration, file: "case") }
    }
  }

  /// Complete settings of each sampler, by its name. A sampler without an entry fails `everySamplerIsHere`.
  static let complete: [String: ConfigurationValue] = [
    "ddim": [
      "sampler": "ddim", "steps": 7, "timestep_spacing": "leading", "steps_offset": 0, "previous_timestep": "list",
      "eta": 0.0, "clip_sample": true, "clip_sample_range": 1.0, "thresholding": false,
      "dynamic_thresholding_ratio": 0.995, "sample_max_value": 1.0, "recompute_epsilon": false,
      "set_alpha_to_one": true,
    ],
    "ddpm": [
      "sampler": "ddpm", "steps": 7, "timestep_spacing": "leading", "steps_offset": 0, "previous_timestep": "list",
      "variance_type": "fixed_small", "noise_at_last_step": false, "clip_sample": true, "clip_sample_range": 1.0,
      "thresholding": false, "dynamic_thresholding_ratio": 0.995, "sample_max_value": 1.0,
    ],
    "dpmpp": map(
      "dpmpp", levels,
      [
        "algorithm_type": "dpmsolver++", "solver_order": 2, "solver_type": "midpoint", "lower_order_below": 15,
        "euler_at_final": false, "lambda_min_clipped": nil,
      ], bounds),
    "euler": map("euler", levels, ["s_churn": 0.0, "s_tmin": 0.0, "s_tmax": nil, "s_noise": 1.0], bounds),
    "euler_ancestral": map("euler_ancestral", levels, bounds),
    "heun": map("heun", levels, bounds),
    "lcm": map("lcm", ["steps": 4, "original_inference_steps": 50, "timestep_scaling": 10.0], bounds),
    "plms": map(
      "plms", ["steps": 7, "timestep_spacing": "uniform", "steps_offset": 1, "previous_timestep": "list"], bounds,
      ["set_alpha_to_one": true]),
    "unipc": map(
      "unipc", levels,
      ["solver_order": 2, "solver_type": "bh2", "predict_x0": true, "lower_order_final": true], bounds),
  ]

  private static let levels: ConfigurationValue = [
    "steps": 7, "timestep_spacing": "linspace", "steps_offset": 0, "sigma_schedule": "training",
    "final_sigmas_type": "zero",
  ]
  private static let bounds: ConfigurationValue = [
    "clip_sample": false, "clip_sample_range": 1.0, "thresholding": false, "dynamic_thresholding_ratio": 0.995,
    "sample_max_value": 1.0,
  ]
  /// The keys of a sampler, group by group.
  private static func map(_ name: String, _ groups: ConfigurationValue...) -> ConfigurationValue {
    var entries: [ConfigurationValue.Entry] = [.init("sampler", .string(name))]
    for case .map(let more) in groups { entries += more }
    return .map(entries)
  }

  /// Settings that exercise each branch of a step.
  static let changes: [String: [[String: ConfigurationValue]]] = [
    "ddim": [
      [:], ["eta": 1.0], ["eta": 0.4, "recompute_epsilon": true],
      ["clip_sample": false, "timestep_spacing": "quadratic"],
      ["thresholding": true, "dynamic_thresholding_ratio": 0.6, "sample_max_value": 2.0],
      ["timestep_spacing": "linspace", "previous_timestep": "stride"],
    ],
    "ddpm": [
      [:], ["variance_type": "fixed_large"], ["variance_type": "learned_range"], ["variance_type": "learned"],
      ["variance_type": "learned_log"],
      ["timestep_spacing": "trailing", "variance_type": "fixed_large_log"],
      ["timestep_spacing": "uniform", "steps": 30],
      ["thresholding": true, "sample_max_value": 2.0, "variance_type": "fixed_small_log"],
    ],
    "dpmpp": [
      [:], ["solver_order": 3, "solver_type": "heun"], ["solver_order": 1, "clip_sample": true],
      ["sigma_schedule": "karras", "algorithm_type": "sde-dpmsolver++"],
      ["algorithm_type": "sde-dpmsolver++", "solver_order": 3, "lower_order_below": 0],
      ["algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min", "thresholding": true],
      ["timestep_spacing": "log_snr"], ["timestep_spacing": "time_quadratic", "final_sigmas_type": "sigma_min"],
      ["sigma_schedule": "lu_lambdas", "steps": 20], ["timestep_spacing": "trailing", "lambda_min_clipped": -2.0],
    ],
    "euler": [
      [:], ["timestep_spacing": "leading", "steps_offset": 1, "s_churn": 3.0], ["clip_sample": true, "s_churn": 1.0],
      ["sigma_schedule": "karras"], ["sigma_schedule": "log_linear", "final_sigmas_type": "sigma_min"],
      ["s_churn": 5.0, "s_tmin": 0.5, "s_tmax": 3.0],
    ],
    "euler_ancestral": [
      [:], ["timestep_spacing": "trailing", "clip_sample": true], ["sigma_schedule": "exponential"],
    ],
    "heun": [[:], ["sigma_schedule": "karras", "clip_sample": true], ["final_sigmas_type": "sigma_min"]],
    "lcm": [[:], ["original_inference_steps": 100, "steps": 8, "clip_sample": true]],
    "plms": [[:], ["clip_sample": true, "timestep_spacing": "quadratic"], ["steps": 1]],
    "unipc": [
      [:], ["solver_order": 3, "sigma_schedule": "karras"], ["solver_order": 3, "lower_order_final": false],
      ["solver_type": "bh1", "clip_sample": true],
      ["predict_x0": false, "final_sigmas_type": "sigma_min", "thresholding": true],
    ],
  ]

  static let cases: [Case] = SamplerCatalog.names.flatMap { name in
    (changes[name] ?? []).flatMap { change in
      PredictionType.allCases.map { prediction in
        let shown = change.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.shown)" }.joined(separator: ",")
        return Case(
          configuration: setting(change, in: complete[name]!), prediction: prediction, changes: "\(name) \(shown)")
      }
    }
  }

  static func setting(_ change: [String: ConfigurationValue], in configuration: ConfigurationValue)
    -> ConfigurationValue
  {
    guard case .map(let entries) = configuration else { return configuration }
    return .map(entries.map { .init($0.key, change[$0.key] ?? $0.value) })
  }

  static let shape = ImageShape(channels: 2, height: 3, width: 5)
  static let schedule = try! NoiseSchedule(BetaSchedule())

  /// A loop over the given images with Philox noise.
  static func loop(
    _ test: Case, images: [Int], initial: Tensor? = nil, from position: SamplingPosition? = nil
  ) throws -> SamplingLoop {
    let sampler = try test.sampler
    let variance: ReferenceDenoiser.Variance =
      switch test.configuration["variance_type"] {
      case "learned": .direct
      case "learned_range", "learned_log": .range
      default: .none
      }
    return try SamplingLoop(
      denoiser: ReferenceDenoiser(imageShape: shape, predictionType: test.prediction, variance: variance),
      schedule: schedule, sampler: sampler, images: images, noise: NoiseSource(seed: 11, stream: .sample),
      initial: initial, from: position)
  }

  @Test("every sampler of the catalogue is tested here")
  func everySamplerIsHere() {
    #expect(SamplerCatalog.names == SamplerCatalog.names.sorted())
    #expect(Self.cases.count > 100)
    #expect(Set(SamplerCatalog.names) == Set(Self.complete.keys))
    #expect(Set(SamplerCatalog.names) == Set(Self.changes.keys))
  }

  @Test("the same call gives the same bits", arguments: cases)
  func determinism(test: Case) throws {
    var first = try Self.loop(test, images: [0, 1])
    var second = try Self.loop(test, images: [0, 1])
    #expect(try first.run() == second.run())
  }

  @Test("an image does not depend on its batch", arguments: cases)
  func batchInvariance(test: Case) throws {
    var together = try Self.loop(test, images: [3, 1 << 40, 0])
    let samples = try together.run()
    for (row, image) in [3, 1 << 40, 0].enumerated() {
      var alone = try Self.loop(test, images: [image])
      #expect(try alone.run() == samples.rows(row..<row + 1))
    }
  }

  @Test("an empty batch is sampled without a word", arguments: cases)
  func emptyBatch(test: Case) throws {
    var loop = try Self.loop(test, images: [])
    #expect(try loop.run().dims == [0, 2, 3, 5])
  }

  @Test("steps are counted from 0 and descend", arguments: cases)
  func steps(test: Case) throws {
    let steps = try Self.loop(test, images: []).steps
    #expect(steps.map(\.index) == Array(steps.indices))
    #expect(zip(steps, steps.dropFirst()).allSatisfy { $0.timestep >= $1.timestep })
    #expect(steps.last?.previous == nil)
  }

  /// Everything after a call depends on the state, what the solver remembers, and the noise source.
  @Test("a trajectory goes on from any of its states with equal bits", arguments: cases)
  func restart(test: Case) throws {
    var whole = try Self.loop(test, images: [0, 1])
    var states: [SamplingState] = []
    while let state = try whole.next() { states.append(state) }
    for state in states {
      var rest = try Self.loop(test, images: [0, 1], from: state.position)
      #expect(rest.completed == state.step.index + 1)
      while let again = try rest.next() {
        let first = states[again.step.index]
        #expect(again.previous == first.previous && again.clean == first.clean && again.history == first.history)
      }
      #expect(rest.x == whole.x)
    }
  }

  /// What is said of a step's epsilon and noise is what happens when they change, bounds aside.
  @Test(
    "the balance of noise is the step's own",
    arguments: cases.filter {
      $0.prediction == .epsilon && $0.configuration["clip_sample"] != true && $0.configuration["thresholding"] != true
    })
  func noiseBalance(test: Case) throws {
    let sampler = try test.sampler
    let plan = try sampler.plan(for: DiffusionProcess(schedule: Self.schedule, predictionType: .epsilon))
    var loop = try Self.loop(test, images: [0])
    var history = SolverHistory.none
    while let state = try loop.next() {
      func mean(epsilon: Double, noise: Double) throws -> Double {
        let output = Tensor(state.output.dims, state.output.values.map { $0 + Float(epsilon) })
        let result = try sampler.step(state.x, output: output, history: history, call: state.step.index, of: plan) {
          Tensor(state.x.dims, repeating: Float(noise))
        }
        return moments(result.previous).mean
      }
      let found = sampler.noiseBalance(call: state.step.index, of: plan)
      let plain = try mean(epsilon: 0, noise: 0)
      let drawn = try mean(epsilon: 0, noise: 1) - plain
      #expect(abs(drawn - (found?.sigma ?? 0)) < 1e-5 * (1 + abs(plain)))
      if let found {
        let moved = try mean(epsilon: 1, noise: 0) - plain
        #expect(abs(moved - found.epsilon) < 1e-5 * (1 + abs(plain) + abs(found.epsilon)))
      }
      history = state.history
    }
  }

  /// Stride is the rule whose steps do not join; PLMS's only step is corrected at its own timestep.
  @Test(
    "the levels of calls fall, and join",
    arguments: cases.filter { $0.configuration["previous_timestep"] != "stride" && $0.configuration["steps"] != 1 })
  func levels(test: Case) throws {
    let process = DiffusionProcess(schedule: Self.schedule, predictionType: test.prediction)
    let calls = try test.sampler.plan(for: process).calls
    for (call, following) in zip(calls, calls.dropFirst()) {
      #expect(call.next == following.level)
      #expect(following.level.noise <= call.level.noise)
      if following.corrects { #expect(following.next == following.level) }
    }
  }

  @Test(
    "the last step returns the predicted x_0",
    arguments: cases.filter { $0.configuration["final_sigmas_type"] != "sigma_min" })
  func lastStep(test: Case) throws {
    var loop = try Self.loop(test, images: [0, 1])
    var last: SamplingState?
    while let state = try loop.next() { last = state }
    #expect(last?.previous == last?.clean)
  }

  @Test("settings read back as they were written", arguments: cases)
  func roundTrip(test: Case) throws {
    let sampler = try test.sampler
    #expect(sampler.configuration == test.configuration)
    #expect(try SamplerCatalog.decode(sampler.configuration, file: "again").configuration == sampler.configuration)
  }

  @Test("every key must be present, and no other may be", arguments: SamplerCatalog.names)
  func strictKeys(name: String) throws {
    guard case .map(let entries) = Self.complete[name] else { return }
    for (position, entry) in entries.enumerated() where entry.key != "sampler" {
      var fewer = entries
      fewer.remove(at: position)
      let error = #expect(throws: ConfigurationError.self) { try SamplerCatalog.decode(.map(fewer), file: "x.yaml") }
      #expect(error?.problems.count == 1)
      #expect(error?.problems.first?.path == "x.yaml: \(entry.key)")
      #expect(error?.problems.first?.text.hasPrefix("missing; expected ") == true)
    }
    let more = entries + [.init("clip_sampel", true)]
    let error = #expect(throws: ConfigurationError.self) { try SamplerCatalog.decode(.map(more), file: "x.yaml") }
    #expect(
      error?.description == "error[E-CONFIG]: x.yaml: clip_sampel: unknown key (did you mean \"clip_sample\"?)")
  }

  @Test("the sampler must be named, and known")
  func samplerName() {
    func message(_ value: ConfigurationValue) -> String? {
      #expect(throws: ConfigurationError.self) { try SamplerCatalog.decode(value, file: "x.yaml") }?.message
    }
    #expect(message(["steps": 5]) == "x.yaml: sampler: expected one of \(Self.names)")
    #expect(message(["sampler": 5]) == "x.yaml: sampler: expected one of \(Self.names), found 5")
    #expect(
      message(["sampler": "ddin", "whatever": 1])
        == "x.yaml: sampler: expected one of \(Self.names), found \"ddin\" (did you mean \"ddim\"?)")
    #expect(
      message(["sampler": "PNDM", "whatever": 1])
        == "x.yaml: sampler: expected one of \(Self.names), found \"PNDM\" (PNDM with skip_prk_steps is plms here; "
        + "its Runge-Kutta start is not offered)")
    #expect(
      message(["sampler": "lms"])
        == "x.yaml: sampler: expected one of \(Self.names), found \"lms\" (linear multistep in noise levels is not "
        + "offered)")
  }

  private static let names = "ddim, ddpm, dpmpp, euler, euler_ancestral, heun, lcm, plms, unipc"

  @Test("values out of range are refused with what was expected and found")
  func values() {
    func message(_ name: String, _ change: [String: ConfigurationValue]) -> String? {
      let value = Self.setting(change, in: Self.complete[name]!)
      return #expect(throws: ConfigurationError.self) { try SamplerCatalog.decode(value, file: "x.yaml") }?.message
    }
    #expect(message("ddim", ["eta": 1.5]) == "x.yaml: eta: expected a number from 0.0 to 1.0, found 1.5")
    #expect(message("ddim", ["steps": 0]) == "x.yaml: steps: expected an integer from 1 to 100000, found 0")
    #expect(
      message("ddim", ["timestep_spacing": "trailing", "steps_offset": 1])
        == "x.yaml: steps_offset: must be 0 with timestep_spacing trailing, found 1")
    #expect(
      message("euler", ["timestep_spacing": "log_snr"])
        == "x.yaml: timestep_spacing: expected one of linspace, leading, trailing for this sampler, found \"log_snr\"")
    #expect(
      message("heun", ["sigma_schedule": "lu_lambdas"])
        == "x.yaml: sigma_schedule: expected one of training, karras, exponential, log_linear for this sampler, found "
        + "\"lu_lambdas\"")
    #expect(
      message("unipc", ["sigma_schedule": "karras", "timestep_spacing": "leading"])
        == "x.yaml: timestep_spacing: must be linspace with sigma_schedule karras, whose levels run over the whole "
        + "schedule, found leading")
    #expect(
      message("euler", ["sigma_schedule": "log_linear"])
        == "x.yaml: final_sigmas_type: must be sigma_min with sigma_schedule log_linear, which ends there")
    #expect(
      message("dpmpp", ["algorithm_type": "dpmsolver"])
        == "x.yaml: final_sigmas_type: must be sigma_min with algorithm_type dpmsolver: in terms of epsilon no step ends "
        + "without noise")
    #expect(
      message("unipc", ["predict_x0": false])
        == "x.yaml: final_sigmas_type: must be sigma_min with predict_x0 false: in terms of epsilon no step ends without "
        + "noise")
    #expect(
      message("dpmpp", ["lambda_min_clipped": -5.1, "timestep_spacing": "log_snr"])
        == "x.yaml: lambda_min_clipped: must be null unless sigma_schedule is training and timestep_spacing is linspace, "
        + "leading or trailing")
    #expect(
      message("lcm", ["steps": 60]) == "x.yaml: steps: must be at most original_inference_steps, 50, found 60")
    #expect(
      message("heun", ["steps_offset": 1])
        == "x.yaml: steps_offset: must be 0 with timestep_spacing linspace, found 1")
    #expect(
      message("ddpm", ["variance_type": "fixedsmall", "clip_sample": "yes"]) == """
        x.yaml: variance_type: expected one of fixed_small, fixed_small_log, fixed_large, fixed_large_log, learned, learned_log, learned_range, found "fixedsmall" (did you mean "fixed_small"?)
          x.yaml: clip_sample: expected true or false, found "yes"
        """)
  }

  /// Without noise and clipping, a step from t to t leaves x_t as it is: in exact arithmetic, and here up to the rounding of
  /// x_0 to Float, 2^-24 of sqrt(alphaBar) x_0, and of the result.
  @Test("a step to the same timestep changes nothing", arguments: PredictionType.allCases)
  func identityStep(prediction: PredictionType) throws {
    let (points, intervals) = (LevelSelection(.points, steps: 7), LevelSelection(.intervals, steps: 7))
    let samplers: [any Sampler] = [
      PLMSSampler(selection: TimestepSelection(steps: 7)), EulerSampler(selection: points),
      EulerAncestralSampler(selection: points), HeunSampler(selection: points), DPMSolver(selection: intervals),
      DPMSolver(selection: intervals, algorithm: .stochastic), DPMSolver(selection: intervals, algorithm: .noise),
      UniPCSampler(selection: intervals), UniPCSampler(selection: intervals, predictsClean: false),
      DDIMSampler(selection: TimestepSelection(steps: 7), bounds: .init(clip: false)),
      DDIMSampler(selection: TimestepSelection(steps: 7), bounds: .init(clip: false), recomputeEpsilon: true),
      DDPMSampler(selection: TimestepSelection(steps: 7), bounds: .init(clip: false)),
    ]
    let process = DiffusionProcess(schedule: Self.schedule, predictionType: prediction)
    let noise = NoiseSource(seed: 1, stream: .sample)
    let x = noise.normals(images: [0], shape: Self.shape, draw: .initial)
    let output = noise.normals(images: [1], shape: Self.shape, draw: .initial)
    for timestep in [0, 2, 500, 999] {
      let step = Step(index: 0, timestep: Timestep(timestep), previous: Timestep(timestep))
      let level = Self.schedule.level(at: Timestep(timestep))
      let plan = TrajectoryPlan(process: process, calls: [NetworkCall(step: step, level: level, next: level)])
      for sampler in samplers {
        let result = try sampler.step(x, output: output, history: .none, call: 0, of: plan) {
          noise.normals(images: [2], shape: Self.shape, draw: .initial)
        }
        let size = zip(x.values, output.values).map { abs(Double($0)) + abs(Double($1)) }.max()!
        let worst = zip(result.previous.values, x.values).map { abs(Double($0) - Double($1)) }.max()!
        #expect(worst <= 4 * 0x1p-24 * size, "t = \(timestep)")
      }
    }
  }

  /// eta = 1 adds the posterior variance of DDPM (Song et al. 2021, section 4.1), so on every timestep both samplers agree.
  @Test("DDIM with eta 1 is DDPM with the small variance")
  func etaOneIsDDPM() throws {
    func final(_ sampler: any Sampler) throws -> Tensor {
      var loop = try SamplingLoop(
        denoiser: ReferenceDenoiser(imageShape: Self.shape), schedule: Self.schedule, sampler: sampler, images: [0, 1],
        noise: NoiseSource(seed: 2, stream: .sample))
      return try loop.run()
    }
    let selection = TimestepSelection(steps: 50)
    let ddim = try final(DDIMSampler(selection: selection, eta: 1, bounds: .init(clip: false)))
    let ddpm = try final(DDPMSampler(selection: selection, bounds: .init(clip: false)))
    // Both round to Float at each of 50 steps; x_0 magnifies by up to 1 / sqrt(alphaBar_980) = 128 before it is scaled back.
    #expect(trajectoryError(ddim, ddpm) < 50 * 0x1p-22)
  }
}
