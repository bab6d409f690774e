import Diffusion
import Tensors
import TestSupport
import Testing

/// The released code of DDIM (Song et al. 2021): uniform and quadratic timesteps, no clipping in DDIM, clipping and the
/// stride's own beta in its DDPM.
@Suite("Samplers of the released DDIM code")
struct ReleasedDDIMTests {
  static let code = Result { try OriginalCode("ermongroup_ddim.npz") }
  static let names = (try? code.get().names) ?? []

  /// The case that a name such as `generalized/quad20/eta0.5` or `ddpm_noisy/uniform20` stands for.
  static func test(_ name: String) throws -> OriginalCase {
    let parts = name.split(separator: "/").map(String.init)
    let steps = try #require(Int(parts[1].drop { !$0.isNumber }))
    let selection = TimestepSelection(steps: steps, spacing: parts[1].hasPrefix("quad") ? .quadratic : .uniform)
    let sampler: any Sampler =
      parts[0] == "generalized"
      ? DDIMSampler(
        selection: selection, eta: try #require(Double(parts[2].dropFirst("eta".count))), bounds: .init(clip: false))
      : DDPMSampler(selection: selection, varianceType: .fixedLarge)
    return OriginalCase(
      name: name,
      process: DiffusionProcess(schedule: try NoiseSchedule(BetaSchedule()), predictionType: .epsilon),
      sampler: sampler, cleanName: "x0")
  }

  @Test("every recorded trajectory is tested")
  func all() { #expect(Self.names.count == 14) }

  @Test("trajectories", arguments: names)
  func trajectory(name: String) throws { try Self.code.get().check(Self.test(name)) }

  @Test("timesteps, with more than were asked for and with repetitions")
  func timesteps() throws {
    let recorded = try recordedTimesteps("ddim_timesteps.json")
    #expect(recorded.count == 10)
    for (name, timesteps) in recorded {
      let parts = name.split(separator: "/").map(String.init)
      let selection = TimestepSelection(
        steps: try #require(Int(parts[1])), spacing: parts[0] == "quad" ? .quadratic : .uniform)
      let found = try selection.steps(trainTimesteps: 1000).map { Int($0.timestep.value) }
      #expect(found == timesteps?.reversed())
    }
    let thirty = try TimestepSelection(steps: 30, spacing: .uniform).steps(trainTimesteps: 1000)
    #expect(thirty.count == 31)
  }
}
