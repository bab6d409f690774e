import Diffusion
import Tensors
import Testing

/// Solvers on data whose exact denoiser is known: Gaussian pixels, N(0.4, 0.3^2).
@Suite("Convergence of solvers")
struct SolverConvergenceTests {
  static let shape = ImageShape(channels: 1, height: 4, width: 4)
  static let schedule = try! NoiseSchedule(BetaSchedule())
  static let exact = GaussianDenoiser(imageShape: shape, schedule: schedule, mean: 0.4, deviation: 0.3)

  /// The largest deviation from the exact flow, on which x standardised by its marginal stays constant (Song et al. 2021,
  /// section 4.3).
  static func error(_ sampler: any Sampler) throws -> Double {
    var loop = try SamplingLoop(
      denoiser: exact, schedule: schedule, sampler: sampler, images: Array(0..<16),
      noise: NoiseSource(seed: 3, stream: .sample))
    let (center, variance) = exact.marginal(at: loop.steps[0].timestep)
    let expected = loop.x.values.map { 0.4 + 0.3 * (Double($0) - center) / variance.squareRoot() }
    return zip(try loop.run().values, expected).map { abs(Double($0) - $1) }.max()!
  }

  // Trailing spacing has whole timesteps, for which the exact denoiser is defined.
  static func points(_ steps: Int) -> LevelSelection { LevelSelection(.points, steps: steps, spacing: .trailing) }
  static func intervals(_ steps: Int) -> LevelSelection { LevelSelection(.intervals, steps: steps, spacing: .trailing) }

  /// Four times the steps leave a quarter of the error at first order and a sixteenth at second; a half and a seventh are asked
  /// for. The last step, to the image without noise, has the first order's formula for all, but its length shrinks with the
  /// steps, and what it leaves is of second order in its noise level.
  @Test(
    "an error falls with the steps as the method's order says",
    arguments: [
      ("euler", 2.0), ("heun", 7), ("dpmpp", 7), ("dpmpp heun", 7), ("dpmsolver", 2), ("unipc", 7), ("unipc 3", 7),
      ("plms", 7),
    ])
  func order(name: String, ratio: Double) throws {
    func sampler(_ steps: Int) -> any Sampler {
      switch name {
      case "euler": EulerSampler(selection: Self.points(steps))
      case "heun": HeunSampler(selection: Self.points(steps))
      case "dpmpp": DPMSolver(selection: Self.intervals(steps))
      case "dpmpp heun": DPMSolver(selection: Self.intervals(steps), type: .heun)
      case "dpmsolver":
        DPMSolver(
          selection: LevelSelection(.intervals, steps: steps, spacing: .trailing, final: .smallest), algorithm: .noise)
      case "unipc": UniPCSampler(selection: Self.intervals(steps))
      case "unipc 3": UniPCSampler(selection: Self.intervals(steps), order: 3)
      default:
        PLMSSampler(selection: TimestepSelection(steps: steps, spacing: .trailing), setAlphaToOne: true)
      }
    }
    let errors = try [20, 80].map { try Self.error(sampler($0)) }
    #expect(errors[0] > ratio * errors[1], "\(errors)")
    #expect(errors[1] < 0.05)
  }

  /// 8,192 values: limits are 4 standard errors plus 1% for the steps.
  @Test("solvers that add noise draw from the distribution of the data", arguments: ["ancestral", "sde", "churn"])
  func draws(name: String) throws {
    let sampler: any Sampler =
      switch name {
      case "ancestral": EulerAncestralSampler(selection: Self.points(500))
      case "sde": DPMSolver(selection: Self.intervals(200), algorithm: .stochastic)
      default: EulerSampler(selection: Self.points(500), churn: 20)
      }
    var loop = try SamplingLoop(
      denoiser: Self.exact, schedule: Self.schedule, sampler: sampler, images: Array(0..<512),
      noise: NoiseSource(seed: 3, stream: .sample))
    let (n, mean, deviation) = moments(try loop.run())
    #expect(abs(mean - 0.4) < 4 * 0.3 / n.squareRoot() + 0.004)
    #expect(abs(deviation - 0.3) < 4 * 0.3 / (2 * n).squareRoot() + 0.003)
  }

  @Test("as many steps as would visit a level twice are refused, whatever the solver")
  func repeated() throws {
    let process = DiffusionProcess(schedule: Self.schedule, predictionType: .epsilon)
    let error = #expect(throws: DiffusionError.self) {
      try UniPCSampler(selection: LevelSelection(.intervals, steps: 1000)).plan(for: process)
    }
    #expect(
      error?.description.hasPrefix("error[E-SAMPLER-LEVELS]: steps: the noise level of timestep ") == true)
    #expect(throws: DiffusionError.tooManySteps(steps: 1001, trainTimesteps: 1000)) {
      try HeunSampler(selection: LevelSelection(.points, steps: 1001)).plan(for: process)
    }
    #expect(
      throws: DiffusionError.timestepOutOfRange(timestep: 1500, spacing: "leading", offset: 600, trainTimesteps: 1000)
    ) {
      try EulerSampler(selection: LevelSelection(.points, steps: 10, spacing: .leading, offset: 600)).plan(for: process)
    }
    #expect(throws: DiffusionError.distilledSteps(steps: 51, original: 50)) {
      try LCMSampler(steps: 4).taking(steps: 51)
    }
  }

  @Test("PLMS works from epsilon, and is refused where no signal is left; solvers in noise levels with v are not")
  func zeroSNR() throws {
    let schedule = try NoiseSchedule(BetaSchedule(rescaleToZeroSNR: true))
    let process = DiffusionProcess(schedule: schedule, predictionType: .velocity)
    let trailing = TimestepSelection(steps: 4, spacing: .trailing)
    let error = #expect(throws: DiffusionError.self) { try PLMSSampler(selection: trailing).plan(for: process) }
    #expect(
      error?.description == """
        error[E-SAMPLER-ZERO-SNR]: plms works from epsilon, but at timestep 999 x_t is pure noise (alphaBar is 0): x_0 is undefined there
        hint: start below this timestep (timestep_spacing leading or quadratic), or take another sampler
        """)
    let plan = try EulerSampler(selection: Self.points(4)).plan(for: process)
    #expect(plan.calls[0].level.sigma > 4095 && plan.calls[0].level.sigma < 4097)
  }

  @Test("lists of calls are the same when the network is told the same times, wherever the steps lead")
  func sameCalls() throws {
    let process = DiffusionProcess(schedule: Self.schedule, predictionType: .epsilon)
    let ddim = try DDIMSampler(selection: TimestepSelection(steps: 10)).steps(for: process)
    let euler = try EulerSampler(selection: LevelSelection(.points, steps: 10, spacing: .leading)).steps(for: process)
    #expect(ddim.makesSameCalls(as: euler))
    let heun = try HeunSampler(selection: LevelSelection(.points, steps: 10, spacing: .leading)).steps(for: process)
    #expect(heun.count == 19 && !heun.makesSameCalls(as: ddim))
    #expect(heun.map(\.timestep.value).prefix(5) == [900, 800, 800, 700, 700])
    let fractions = try EulerSampler(selection: LevelSelection(.points, steps: 20)).steps(for: process)
    #expect(
      fractions[1].timestep == Timestep(946) && fractions[1].networkTimestep == Timestep(Double(Float(999 * 18) / 19)))
  }
}
