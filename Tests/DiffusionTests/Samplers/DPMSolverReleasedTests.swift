import Diffusion
import Tensors
import Testing

/// The released code of DPM-Solver (Lu et al. 2022), multistep: continuous times, an end at timestep 0.
@Suite("Released DPM-Solver")
struct DPMSolverReleasedTests {
  static let code = Result { try OriginalCode("dpm_solver.npz") }
  static let names = (try? code.get().names) ?? []
  /// Its single-step solvers are not offered.
  static let singleStep = ["dpmsolver/3s/logSNR/10"]

  /// The case that a name such as `dpmsolver++/2m/time_uniform/10/taylor` stands for.
  static func test(_ name: String) throws -> OriginalCase {
    let parts = name.split(separator: "/").map(String.init)
    let process = DiffusionProcess(
      schedule: try NoiseSchedule(BetaSchedule(curve: .scaledLinear, start: 0.00085, end: 0.012)),
      predictionType: .epsilon)
    let spacing = try #require(LevelSpacing(rawValue: parts[2] == "logSNR" ? "log_snr" : parts[2]))
    let selection = LevelSelection(
      .intervals, steps: try #require(Int(parts[3])), spacing: spacing,
      final: parts.contains("denoise_to_zero") ? .zero : .smallest)
    let sampler = DPMSolver(
      selection: selection, algorithm: try #require(DPMAlgorithm(rawValue: parts[0])),
      order: try #require(Int(parts[1].prefix(1))), type: parts.contains("taylor") ? .heun : .midpoint,
      lowerOrderBelow: 10)
    return OriginalCase(
      name: name, process: process, sampler: sampler, timesName: "net_t", timesTolerance: 1e-3, rows: .startAndSteps,
      tolerance: 1e-4)
  }

  @Test("every recorded trajectory is tested, or left out by name")
  func all() {
    #expect(Self.names.count == 10)
    #expect(Set(Self.singleStep).isSubset(of: Self.names))
  }

  @Test("trajectories", arguments: names.filter { !singleStep.contains($0) })
  func trajectory(name: String) throws { try Self.code.get().check(Self.test(name)) }
}
