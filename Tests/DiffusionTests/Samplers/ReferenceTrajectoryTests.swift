import Diffusion
import Formats
import Tensors
import TestSupport
import Testing

/// Trajectories of diffusers' schedulers, read through its own configuration format. The state after every step must agree
/// within 1e-5 of max(1, max |x_t|): the reference computes in Float32, this code's coefficients are Double.
@Suite("Reference trajectories")
struct ReferenceTrajectoryTests {
  static let tolerance = 1e-5

  /// A recorded trajectory and the configuration that made it.
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let steps: Int
    var eta = 0.0
    var recomputeEpsilon = false
    let configuration: ConfigurationValue
    var testDescription: String { name }
  }

  /// Runs the case through the loop and returns the largest error over its steps.
  static func error(of test: Case, in archive: TensorArchive) throws -> Double {
    let configuration = try SchedulerConfiguration.decode(test.configuration, file: test.name)
    var sampler = configuration.sampler(steps: test.steps)
    if var ddim = sampler as? DDIMSampler {
      ddim.eta = test.eta
      ddim.recomputeEpsilon = test.recomputeEpsilon
      sampler = ddim
    }
    let start = try floats("x_T", archive)
    let recorded = try floats("noise", archive)
    let shape = ImageShape(channels: start.dims[1], height: start.dims[2], width: start.dims[3])
    let noise = RecordedNoise(
      initial: start, steps: (0..<recorded.dims[0]).map { recorded.rows($0..<$0 + 1).reshaped(start.dims) })
    var loop = try SamplingLoop(
      denoiser: ReferenceDenoiser(
        imageShape: shape, predictionType: configuration.process.predictionType,
        variance: variance(test.configuration)),
      schedule: configuration.process.schedule, sampler: sampler, images: Array(0..<start.dims[0]), noise: noise)

    let expected = try floats("\(test.name)/x", archive)
    let timesteps = try #require(archive.tensors["\(test.name)/timesteps"]?.integers(Int64.self))
    #expect(loop.steps.map(\.timestep) == timesteps.map { Timestep(Int($0)) })
    var worst = 0.0
    while let state = try loop.next() {
      let index = state.step.index
      worst = max(
        worst, trajectoryError(state.previous, expected.rows(index..<index + 1).reshaped(start.dims)))
    }
    return worst
  }

  private static func floats(_ name: String, _ archive: TensorArchive) throws -> Tensor {
    try #require(archive.tensors[name]?.floats(), "no \(name)")
  }

  private static func variance(_ configuration: ConfigurationValue) -> ReferenceDenoiser.Variance {
    switch configuration["variance_type"] {
    case "learned": .direct
    case "learned_range": .range
    default: .none
    }
  }

  // MARK: The project's golden file; the configurations are those of its script, make_golden.py.

  static let golden: [Case] = {
    func config(_ kind: String, _ entries: [(String, ConfigurationValue)]) -> ConfigurationValue {
      .map([.init("_class_name", .string(kind))] + entries.map { .init($0.0, $0.1) })
    }
    func ddim(_ name: String, eta: Double = 0, _ entries: (String, ConfigurationValue)...) -> Case {
      Case(name: "ddim/\(name)", steps: 10, eta: eta, configuration: config("DDIMScheduler", entries))
    }
    func ddpm(_ name: String, _ entries: (String, ConfigurationValue)...) -> Case {
      Case(name: "ddpm/\(name)", steps: 20, configuration: config("DDPMScheduler", entries))
    }
    // numpy.linspace(1e-3, 0.1, 100) ** 1.1; the reference rounds it to Float32.
    let trained = (0..<100).map { ConfigurationValue.number(pow1_1(1e-3 + Double($0) * (0.1 - 1e-3) / 99)) }
    var cases: [Case] = []
    for spacing in ["leading", "trailing", "linspace"] {
      for eta in [0, 0.7] {
        cases.append(ddim("\(spacing)/eta\(eta)", eta: eta, ("timestep_spacing", .string(spacing))))
      }
    }
    return cases + [
      ddim("leading/offset1/alpha_not_one", ("steps_offset", 1), ("set_alpha_to_one", false), ("clip_sample", false)),
      ddim("v_prediction", ("prediction_type", "v_prediction"), ("clip_sample", false)),
      ddim("sample", ("prediction_type", "sample"), ("clip_sample", false)),
      ddim(
        "scaled_linear", ("beta_schedule", "scaled_linear"), ("beta_start", 0.00085), ("beta_end", 0.012),
        ("clip_sample", false)),
      ddim(
        "thresholding", ("thresholding", true), ("dynamic_thresholding_ratio", 0.9), ("sample_max_value", 1.5),
        ("clip_sample", false)),
      ddpm("fixed_small", ("variance_type", "fixed_small")),
      ddpm("fixed_small_log", ("variance_type", "fixed_small_log")),
      ddpm("fixed_large", ("variance_type", "fixed_large")),
      ddpm("cosine", ("beta_schedule", "squaredcos_cap_v2")),
      ddpm("sigmoid", ("beta_schedule", "sigmoid")),
      ddpm("trained_betas", ("num_train_timesteps", 100), ("trained_betas", .list(trained))),
    ]
  }()

  /// x^1.1 by the portable logarithm and exponential.
  private static func pow1_1(_ x: Double) -> Double { PortableMath.exp(1.1 * PortableMath.log(x)) }

  static let goldenArchive = Result { try NPZ.read(Fixtures.golden("schedulers.npz")) }

  @Test("golden trajectories", arguments: golden)
  func goldenTrajectory(test: Case) throws {
    let error = try Self.error(of: test, in: Self.goldenArchive.get())
    #expect(error <= Self.tolerance, "\(error)")
  }

  /// The golden file has one trajectory that is not a number from its first step: diffusers takes the square root of a
  /// negative logarithm for fixed_large_log. Here it is fixed_large, whose variance it means.
  @Test("fixed_large_log is fixed_large, where the reference has no numbers")
  func fixedLargeLog() throws {
    let archive = try Self.goldenArchive.get()
    let reference = try #require(archive.tensors["ddpm/fixed_large_log/x"]?.floats())
    #expect(reference.values.allSatisfy { $0.isNaN })
    let covered = Set(Self.golden.map(\.name)).union(["ddpm/fixed_large_log"])
    let recorded = Set(archive.names.filter { $0.hasSuffix("/x") }.map { String($0.dropLast(2)) })
    #expect(covered == recorded)

    var renamed = archive
    renamed.tensors["ddpm/fixed_large_log/x"] = archive.tensors["ddpm/fixed_large/x"]
    let test = Case(
      name: "ddpm/fixed_large_log", steps: 20,
      configuration: ["_class_name": "DDPMScheduler", "variance_type": "fixed_large_log"])
    let error = try Self.error(of: test, in: renamed)
    #expect(error <= Self.tolerance, "\(error)")
  }

  // MARK: More cases (make_schedulers_more.py), with the configurations as diffusers saves them.

  static let more: [Case] = {
    guard let listed = try? JSON.read(Fixtures.path("schedulers-more/cases.json")), case .list(let items) = listed
    else {
      return []
    }
    return items.compactMap { item in
      guard case .string(let name)? = item["name"], case .integer(let steps)? = item["steps"],
        case .bool(let recompute)? = item["recompute_epsilon"], let configuration = item["config"]
      else { return nil }
      let eta: Double? =
        switch item["eta"] {
        case .number(let value)?: value
        case .integer(let value)?: Double(value)
        default: nil
        }
      return eta.map {
        Case(name: name, steps: steps, eta: $0, recomputeEpsilon: recompute, configuration: configuration)
      }
    }
  }()

  static let moreArchive = Result { try NPZ.read(Fixtures.path("schedulers-more/schedulers.npz")) }

  @Test("more trajectories: few and all steps, offsets, spacings, predictions, variances, zero signal", arguments: more)
  func moreTrajectories(test: Case) throws {
    let error = try Self.error(of: test, in: Self.moreArchive.get())
    #expect(error <= Self.tolerance, "\(error)")
  }

  @Test("no case is left out")
  func everyCase() throws {
    #expect(Self.more.count == 35)
    let recorded = try Self.moreArchive.get().names.filter { $0.hasSuffix("/x") }.map { String($0.dropLast(2)) }
    #expect(Set(Self.more.map(\.name)) == Set(recorded))
  }

  // MARK: Cases of other solvers' archive that these samplers cover (float32 as diffusers runs; 2e-4).

  @Test(
    "diffusers' DDIM and DDPM of latent, zero-signal and learned-variance models",
    arguments: ["ddim/sd", "ddim/zero_snr_v_trailing", "ddpm/learned_range"])
  func latentTrajectories(name: String) throws {
    let listed = try JSON.read(Fixtures.path("samplers/diffusers_configs.json"))
    let entry = try #require(listed[name])
    guard case .map(let keys)? = entry["config"], case .integer(let steps)? = entry["steps"] else {
      Issue.record("no configuration of \(name)")
      return
    }
    let read = try SchedulerConfiguration.decode(
      .map([.init("_class_name", try #require(entry["scheduler"]))] + keys), file: name)
    let code = try OriginalCode("diffusers.npz")
    try code.check(
      OriginalCase(
        name: name, process: read.process, sampler: read.sampler(steps: steps),
        variance: name.hasSuffix("learned_range") ? .cosine : .none, tolerance: 2e-4))
  }
}
