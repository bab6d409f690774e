import Diffusion
import Tensors
import Testing

/// latent-diffusion (Rombach et al. 2022): DDIM on timesteps one above the multiples of the stride, PLMS, guidance.
@Suite("Samplers of latent diffusion")
struct LatentDiffusionTests {
  static let code = Result { try OriginalCode("compvis.npz") }
  static let names = (try? code.get().names) ?? []

  /// The case that a name such as `plms/uniform10/cfg7.5/sd` stands for.
  static func test(_ name: String, _ code: OriginalCode) throws -> OriginalCase {
    let parts = name.split(separator: "/").map(String.init)
    let (start, end) = parts.contains("sd") ? (0.00085, 0.012) : (0.0015, 0.0195)
    let schedule = try NoiseSchedule(BetaSchedule(curve: .scaledLinear, start: start, end: end))
    let steps = try #require(Int(parts[1].drop { !$0.isNumber }))
    let selection = TimestepSelection(
      steps: steps, spacing: parts[1].hasPrefix("quad") ? .quadratic : .uniform, offset: 1)
    var test: OriginalCase
    let process = DiffusionProcess(schedule: schedule, predictionType: .epsilon)
    if parts[0] == "plms" {
      test = OriginalCase(name: name, process: process, sampler: PLMSSampler(selection: selection), rows: .steps)
    } else {
      let eta = try #require(Double(parts[2].dropFirst(3)))
      test = OriginalCase(
        name: name, process: process,
        sampler: DDIMSampler(selection: selection, eta: eta, bounds: .init(clip: false), setAlphaToOne: false))
    }
    test.cleanName = "pred_x0"
    if let scale = parts.first(where: { $0.hasPrefix("cfg") }).flatMap({ Double($0.dropFirst(3)) }) {
      let start = try code.floats("x_T")
      let shape = ImageShape(channels: start.dims[1], height: start.dims[2], width: start.dims[3])
      test.denoiser = ConditionalDenoiser(network: ReferenceDenoiser(imageShape: shape)) { c, _ in 0.2 * (c ?? 0) }
      test.conditioning = try code.floats("cond").values.map { Conditioning(vectors: ["c": [$0]]) }
      let without = try code.floats("uncond").values[0]
      test.guidance = Guidance(scale: scale, unconditional: Conditioning(vectors: ["c": [without]]))
    }
    test.tolerance = 1e-4
    return test
  }

  @Test("every recorded trajectory is tested")
  func all() { #expect(Self.names.count == 12) }

  @Test("trajectories", arguments: names)
  func trajectory(name: String) throws {
    let code = try Self.code.get()
    let test = try Self.test(name, code)
    try code.check(test)
    // The levels of each step, which that code rounds to Float32, and the deviation of DDIM's noise, computed from those.
    let plan = try test.sampler.plan(for: test.process)
    let calls = plan.calls.filter { !$0.corrects }
    for (call, (alpha, previous)) in zip(
      calls, zip(try code.doubles("\(name)/alphas"), try code.doubles("\(name)/alphas_prev")))
    {
      #expect(abs(call.level.alphaBar - alpha) <= 0x1p-24)
      #expect(abs(call.next.alphaBar - previous) <= 0x1p-24)
    }
    for (index, sigma) in try code.doubles("\(name)/sigmas").enumerated() where test.sampler is DDIMSampler {
      #expect(abs((test.sampler.noiseBalance(call: index, of: plan)?.sigma ?? -1) - sigma) <= 1e-6)
    }
  }

  @Test(
    "timesteps as recorded, one more than asked for where the stride does not divide, an error where they leave the schedule"
  )
  func timesteps() throws {
    let recorded = try recordedTimesteps("compvis_timesteps.json")
    #expect(recorded.count == 18)
    for (name, timesteps) in recorded {
      let parts = name.split(separator: "/").map(String.init)
      let selection = TimestepSelection(
        steps: try #require(Int(parts[1])), spacing: parts[0] == "quad" ? .quadratic : .uniform, offset: 1)
      let found = try selection.steps(trainTimesteps: 1000).map { Int($0.timestep.value) }
      #expect(found == timesteps?.reversed(), "\(name)")
    }
    #expect(throws: DiffusionError.self) {
      try TimestepSelection(steps: 501, spacing: .uniform, offset: 1).steps(trainTimesteps: 1000)
    }
  }

  @Test("PLMS calls the network twice in its first step, and of one step both at its own timestep")
  func firstStep() throws {
    let process = DiffusionProcess(schedule: try NoiseSchedule(BetaSchedule()), predictionType: .epsilon)
    func plan(_ steps: Int) throws -> TrajectoryPlan {
      try PLMSSampler(selection: TimestepSelection(steps: steps, spacing: .uniform, offset: 1)).plan(for: process)
    }
    let five = try plan(5)
    #expect(five.steps.map(\.timestep) == [801, 601, 601, 401, 201, 1].map { Timestep($0) })
    #expect(five.calls.map(\.corrects) == [false, true, false, false, false, false])
    #expect(five.stepCount == 5)
    #expect(try plan(1).steps.map(\.timestep) == [1, 1].map { Timestep($0) })
  }
}
