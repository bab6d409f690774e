import Diffusion
import Formats
import Tensors
import TestSupport
import Testing

/// diffusers' schedulers that are solvers in noise levels or multistep methods, each with its own configuration.
@Suite("Solvers of diffusers")
struct DiffusersSolverTests {
  static let code = Result { try OriginalCode("diffusers.npz") }
  static let configurations = Result { try JSON.read(Fixtures.path("samplers/diffusers_configs.json")) }

  /// Names of cases whose solver is not offered, with the word a file would ask for it with.
  static let refused = [
    "lms": "lms", "deis": "deis", "dpmpp2s": "dpmpp_2s", "tcd/4/eta0.3": "tcd", "pndm/prk": "pndm",
  ]
  /// Tested as settings of DDIM and DDPM.
  static let elsewhere = ["ddim/sd", "ddim/zero_snr_v_trailing", "ddpm/learned_range"]
  static let guided = "guided/dpmpp2m/w5/rescale0.7"

  static let names: [String] = {
    let left = Set(refused.keys).union(elsewhere).union([guided])
    return ((try? code.get().names) ?? []).filter { !left.contains($0) }
  }()

  /// A recorded configuration that nothing here stands for.
  struct UnknownConfiguration: Error { let name: String }

  /// What a recorded configuration is here.
  struct Read {
    let process: DiffusionProcess
    let sampler: any Sampler
    let units: OriginalCase.Units

    init(_ name: String) throws {
      let entry = try #require(configurations.get()[name])
      guard case .map(let keys)? = entry["config"], case .integer(let steps)? = entry["steps"],
        case .string(let scheduler)? = entry["scheduler"]
      else { throw UnknownConfiguration(name: name) }
      let value = ConfigurationValue.map([.init("_class_name", .string(scheduler))] + keys)
      process = try SchedulerConfiguration.decode(value, file: name).process
      func number(_ key: String, _ map: ConfigurationValue?, _ standard: Double) -> Double {
        switch map?[key] {
        case .integer(let value)?: Double(value)
        case .number(let value)?: value
        default: standard
        }
      }
      func text(_ key: String, _ standard: String) -> String {
        if case .string(let text)? = value[key] { text } else { standard }
      }
      func flag(_ key: String, _ standard: Bool) -> Bool { value[key].map { $0 == .bool(true) } ?? standard }
      let spacing = try #require(LevelSpacing(rawValue: text("timestep_spacing", "linspace")))
      let sigmas: SigmaSchedule =
        flag("use_karras_sigmas", false)
        ? .karras
        : flag("use_exponential_sigmas", false)
          ? .exponential
          : flag("use_lu_lambdas", false)
            ? .luLambdas : text("interpolation_type", "linear") == "log_linear" ? .logLinear : .training
      func selection(_ family: LevelSelection.Family) throws -> LevelSelection {
        LevelSelection(
          family, steps: steps, spacing: spacing,
          // diffusers reads the offset for leading spacing alone.
          offset: spacing == .leading ? Int(number("steps_offset", value, 0)) : 0, schedule: sigmas,
          final: sigmas == .logLinear
            ? .smallest : try #require(FinalLevel(rawValue: text("final_sigmas_type", "zero"))))
      }
      let bounds = CleanImageBounds(
        clip: flag("clip_sample", false), thresholding: flag("thresholding", false),
        thresholdingRatio: number("dynamic_thresholding_ratio", value, 0.995),
        thresholdLimit: number("sample_max_value", value, 1))
      let order = Int(number("solver_order", value, 2))
      switch scheduler {
      case "DPMSolverMultistepScheduler":
        units = .preserving
        sampler = DPMSolver(
          selection: try selection(.intervals),
          algorithm: try #require(DPMAlgorithm(rawValue: text("algorithm_type", "dpmsolver++"))), order: order,
          type: try #require(DPMSolverType(rawValue: text("solver_type", "midpoint"))),
          lowerOrderBelow: flag("lower_order_final", true) ? 15 : 0, eulerAtFinal: flag("euler_at_final", false),
          logSNRBound: value["lambda_min_clipped"].map { _ in number("lambda_min_clipped", value, 0) },
          bounds: bounds)
      case "UniPCMultistepScheduler":
        units = .preserving
        sampler = UniPCSampler(
          selection: try selection(.intervals), order: order,
          variant: try #require(UniPCVariant(rawValue: text("solver_type", "bh2"))),
          predictsClean: flag("predict_x0", true), bounds: bounds)
      case "EulerDiscreteScheduler":
        units = .exploding
        sampler = EulerSampler(
          selection: try selection(.points), churn: number("s_churn", entry["step"], 0),
          churnNoise: number("s_noise", entry["step"], 1), bounds: bounds)
      case "EulerAncestralDiscreteScheduler":
        units = .exploding
        sampler = EulerAncestralSampler(selection: try selection(.points), bounds: bounds)
      case "HeunDiscreteScheduler":
        units = .exploding
        sampler = HeunSampler(selection: try selection(.points), bounds: bounds)
      case "LCMScheduler":
        units = .preserving
        sampler = LCMSampler(
          steps: steps, originalSteps: Int(number("original_inference_steps", value, 50)), bounds: bounds)
      case "PNDMScheduler":
        units = .preserving
        sampler = PLMSSampler(
          selection: TimestepSelection(
            steps: steps, offset: Int(number("steps_offset", value, 0)), previous: .stride),
          bounds: bounds, setAlphaToOne: flag("set_alpha_to_one", false))
      default: throw UnknownConfiguration(name: scheduler)
      }
    }
  }

  @Test("every recorded trajectory is tested, or its solver refused by name")
  func all() throws {
    let recorded = try Self.code.get().names
    #expect(recorded.count == 60)
    #expect(Self.names.count + Self.refused.count + Self.elsewhere.count + 1 == recorded.count)
    for (name, word) in Self.refused {
      #expect(recorded.contains(name))
      let error = #expect(throws: ConfigurationError.self) {
        try SamplerCatalog.decode(["sampler": .string(word)], file: "x.yaml")
      }
      #expect(error?.message.contains("not offered") == true, "\(word)")
    }
  }

  @Test("trajectories, in Float32 as diffusers runs", arguments: names)
  func trajectory(name: String) throws {
    let read = try Read(name)
    // Levels whose timesteps are fractions are told as such.
    let fractions = name.hasPrefix("euler/karras") || name.hasPrefix("heun/karras")
    let code = try Self.code.get()
    try code.check(
      OriginalCase(
        name: name, process: read.process, sampler: read.sampler, timesTolerance: fractions ? 2e-2 : 0,
        units: read.units, tolerance: 2e-4))
    if code.archive.tensors["\(name)/sigmas"] != nil {
      let sigmas = try code.doubles("\(name)/sigmas")
      let plan = try read.sampler.plan(for: read.process)
      // Float32 sums of betas move small levels by 1e-5 of themselves.
      for (call, sigma) in zip(plan.calls, sigmas) { #expect(abs(call.level.sigma - sigma) <= 1e-4 * max(sigma, 0.1)) }
    }
  }

  @Test("guided and rescaled")
  func guidedTrajectory() throws {
    let code = try Self.code.get()
    let read = try Read("dpmpp2m/karras0/zero")
    let shape = ImageShape(channels: 2, height: 4, width: 4)
    var test = OriginalCase(name: Self.guided, process: read.process, sampler: read.sampler, tolerance: 2e-4)
    test.denoiser = ConditionalDenoiser(network: ReferenceDenoiser(imageShape: shape)) { c, x in
      guard let c else { return 0.02 }
      let e = PortableMath.exp(2 * Double(x))
      return 0.2 * c * Float((e - 1) / (e + 1))
    }
    test.conditioning = try code.floats("guided/cond").values.map { Conditioning(vectors: ["c": [$0]]) }
    test.guidance = Guidance(scale: 5, rescale: 0.7, unconditional: .none)
    try code.check(test)
  }
}
