import Diffusion
import Tensors
import TestSupport
import Testing

/// improved- and guided-diffusion (Nichol and Dhariwal 2021, Dhariwal and Nichol 2021): respaced schedules, DDIM with epsilon
/// taken from the clipped x_0, DDPM with fixed and learned variances.
@Suite("Samplers of guided-diffusion")
struct GuidedDiffusionTests {
  static let code = Result { try OriginalCode("guided_diffusion.npz") }

  /// The case that a name such as `cosine4000/10,10,20/ddpm/learned_range/noclip` stands for.
  static func test(_ name: String) throws -> OriginalCase {
    let parts = name.split(separator: "/").map(String.init)
    let process = try process(parts)
    let selection = TimestepSelection(respacing: try #require(Respacing(parts[1])))
    let bounds = CleanImageBounds(clip: !parts.contains("noclip"))
    if parts[2] == "ddim" {
      return OriginalCase(
        name: name, process: process,
        sampler: DDIMSampler(
          selection: selection, eta: parts[3] == "eta1" ? 1 : 0, bounds: bounds, recomputeEpsilon: true),
        cleanName: "pred_xstart")
    }
    // What that code calls learned is the logarithm.
    let variance = try #require(VarianceType(rawValue: parts[3] == "learned" ? "learned_log" : parts[3]))
    return OriginalCase(
      name: name, process: process,
      sampler: DDPMSampler(selection: selection, varianceType: variance, bounds: bounds),
      variance: parts[3].hasPrefix("learned") ? .cosine : .none, cleanName: "pred_xstart")
  }

  /// The first part is a curve and T; that code scales the linear curve by 1000 / T.
  private static func process(_ parts: [String]) throws -> DiffusionProcess {
    let total = try #require(Int(parts[0].drop { !$0.isNumber }))
    let scale = 1000 / Double(total)
    let definition = BetaSchedule(
      trainTimesteps: total, curve: parts[0].hasPrefix("cosine") ? .cosine : .linear, start: scale * 1e-4,
      end: scale * 0.02, rescaleTimesteps: parts.contains("rescale_timesteps"))
    return DiffusionProcess(
      schedule: try NoiseSchedule(definition), predictionType: parts.contains("predict_xstart") ? .sample : .epsilon)
  }

  static let names = (try? code.get().names) ?? []

  @Test("every recorded trajectory is tested")
  func all() { #expect(Self.names.count == 17) }

  @Test("trajectories", arguments: names)
  func trajectory(name: String) throws {
    let test = try Self.test(name)
    let code = try Self.code.get()
    let steps = try code.check(test)
    #expect(try steps.map(\.networkTimestep.value) == code.doubles("\(name)/net_t"))
    // Betas of the respaced schedule, formed in Double from the kept alphaBar; 1e-12 for the products' own rounding.
    let schedule = test.process.schedule
    for (step, beta) in zip(steps, try code.doubles("\(name)/betas")) {
      let found =
        1 - schedule.alphaBar(at: step.timestep) / (step.previous.map { schedule.alphaBar(at: $0) } ?? 1)
      #expect(abs(found - beta) <= 1e-12, "\(step)")
    }
  }

  @Test("respaced timesteps, and what has no stride, as recorded")
  func respacing() throws {
    let recorded = try recordedTimesteps("respacing.json")
    #expect(recorded.count == 19)
    for (name, timesteps) in recorded {
      let parts = name.split(separator: "/").map(String.init)
      let total = try #require(Int(parts[0]))
      let selection = TimestepSelection(respacing: try #require(Respacing(parts[1])))
      if let timesteps {
        #expect(try selection.steps(trainTimesteps: total).map { Int($0.timestep.value) } == timesteps.reversed())
      } else {
        #expect(throws: DiffusionError.self) { try selection.steps(trainTimesteps: total) }
      }
    }
  }

  @Test("network times are rescaled as Float, and only where the schedule says so")
  func rescaledTimes() throws {
    let schedule = try NoiseSchedule(BetaSchedule(trainTimesteps: 4000, curve: .cosine, rescaleTimesteps: true))
    #expect(schedule.networkTimestep(of: Timestep(999)) == Timestep(249.75))
    let odd = try NoiseSchedule(BetaSchedule(trainTimesteps: 300, rescaleTimesteps: true))
    #expect(odd.networkTimestep(of: Timestep(7)) == Timestep(Double(Float(7) * Float(1000 / 300.0))))
    #expect(try NoiseSchedule(BetaSchedule()).networkTimestep(of: Timestep(7)) == Timestep(7))
    let process = DiffusionProcess(schedule: schedule, predictionType: .epsilon)
    let reader = ConfigurationReader(process.configuration, file: "artefact")
    #expect(DiffusionProcess(reading: reader) == process)
    try reader.finish()
  }

  @Test("what a respacing refuses")
  func refusals() throws {
    for text in ["", "ddim", "ddim0", "0", "10,", "10,,5", "-3", "1.5", "ddim1000000", "60000,60000", "ten"] {
      #expect(Respacing(text) == nil, "\(text)")
    }
    func message(_ text: String, _ total: Int = 1000) throws -> String? {
      let selection = TimestepSelection(respacing: try #require(Respacing(text)))
      return #expect(throws: DiffusionError.self) { try selection.steps(trainTimesteps: total) }?.description
    }
    #expect(
      try message("ddim37") == """
        error[E-SAMPLER-RESPACING]: respacing: no whole stride takes exactly 37 of the model's 1000 training timesteps
        hint: "ddim36", "ddim38", "37" with a fractional stride would do
        """)
    #expect(
      try message("600,10") == """
        error[E-SAMPLER-RESPACING]: respacing: section 0 of "600,10" has 500 training timesteps, and 600 are asked of it
        hint: ask each section for at most its length
        """)
    #expect(try message("ddim2000")?.hasPrefix("error[E-SAMPLER-STEPS]") == true)
  }

  @Test("another number of steps keeps the rule, where the rule has one number")
  func taking() throws {
    func changed(_ text: String, _ steps: Int) throws -> ConfigurationValue? {
      let sampler = DDIMSampler(selection: TimestepSelection(respacing: try #require(Respacing(text))))
      return try sampler.taking(steps: steps).configuration["respacing"]
    }
    #expect(try changed("ddim50", 25) == "ddim25")
    #expect(try changed("250", 100) == "100")
    let error = #expect(throws: DiffusionError.self) { try changed("10,10,20", 30) }
    #expect(
      error?.description == """
        error[E-SAMPLER-RESPACING]: 30 steps are asked of respacing "10,10,20", and which of its sections should have them is not said
        hint: write the counts of all sections in the sampler's respacing
        """)
    let leading = try DDPMSampler(selection: TimestepSelection(steps: 50, offset: 1)).taking(steps: 20)
    #expect(leading.selection == TimestepSelection(steps: 20, offset: 1))
  }

  @Test("respacing stands in the place of the other keys, and reads back")
  func keys() throws {
    func sampler(_ change: (String, ConfigurationValue)...) throws -> any Sampler {
      guard case .map(let entries)? = SamplerContractTests.complete["ddim"] else {
        return DDIMSampler(selection: .init(steps: 1))
      }
      let others = ["steps", "timestep_spacing", "steps_offset", "previous_timestep"]
      let map = ConfigurationValue.map(
        entries.filter { !others.contains($0.key) } + change.map { .init($0.0, $0.1) })
      return try SamplerCatalog.decode(map, file: "x.yaml")
    }
    #expect(try sampler(("respacing", "ddim25")).configuration["respacing"] == "ddim25")
    #expect(try sampler(("respacing", 250)).configuration["respacing"] == "250")
    #expect(try sampler(("respacing", "ddim25")).requestedSteps == 25)
    let both = #expect(throws: ConfigurationError.self) { try sampler(("respacing", "ddim25"), ("steps", 25)) }
    #expect(
      both?.message
        == "x.yaml: steps: stands beside respacing, which says which timesteps are taken; leave one of them out")
    let wrong = #expect(throws: ConfigurationError.self) { try sampler(("respacing", "25;30")) }
    #expect(
      wrong?.message
        == "x.yaml: respacing: expected \"ddim50\", \"250\" or \"10,10,20\" with counts of at least 1, found \"25;30\"")
  }
}
