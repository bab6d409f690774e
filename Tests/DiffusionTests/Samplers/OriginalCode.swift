import Diffusion
import Formats
import Tensors
import TestSupport
import Testing

/// A trajectory that the released code of a paper drew on the reference network, and what makes it here.
struct OriginalCase: Sendable, CustomTestStringConvertible {
  /// In which units states are recorded.
  enum Units {
    /// signal x_0 + noise epsilon, as they are kept here.
    case preserving
    /// x_0 + sigma epsilon, the former over the signal.
    case exploding
  }
  /// Which states are recorded.
  enum Rows {
    /// One after every network call.
    case calls
    /// One after every step.
    case steps
    /// The same, with x_T before them.
    case startAndSteps
  }

  /// Its name in the archive, before `/x`.
  let name: String
  let process: DiffusionProcess
  let sampler: any Sampler
  var variance: ReferenceDenoiser.Variance = .none
  /// The archive's name of the predictions of x_0; nil where they were not recorded.
  var cleanName: String?
  /// The archive's name of what is compared with the calls' timesteps: whole ones exactly, what the network is told within
  /// `timesTolerance`.
  var timesName = "timesteps"
  var timesTolerance = 0.0
  var units = Units.preserving
  var rows = Rows.calls
  var conditioning: [Conditioning] = []
  var guidance: Guidance?
  /// Takes the place of the reference network.
  var denoiser: (any Denoiser)?
  /// Of max(1, max |x|) of each step.
  var tolerance = 1e-5
  var testDescription: String { name }
}

/// Trajectories of released code: an archive of `x` after every step, the timesteps, the starting noise and the noise of
/// each step.
struct OriginalCode: Sendable {
  let archive: TensorArchive

  init(_ file: String) throws { archive = try NPZ.read(Fixtures.path("samplers/\(file)")) }

  /// All recorded trajectories.
  var names: [String] { archive.names.filter { $0.hasSuffix("/x") }.map { String($0.dropLast(2)) }.sorted() }

  func floats(_ name: String) throws -> Tensor { try #require(archive.tensors[name]?.floats(), "no \(name)") }
  func doubles(_ name: String) throws -> [Double] { try #require(archive.tensors[name], "no \(name)").doubles() }

  /// Draws the trajectory again. - Returns: its steps, after checking every state and prediction against the record.
  @discardableResult
  func check(_ test: OriginalCase) throws -> [Step] {
    let start = try floats("x_T")
    let recorded = try floats("noise")
    let noise = RecordedNoise(
      initial: start, steps: (0..<recorded.dims[0]).map { recorded.rows($0..<$0 + 1).reshaped(start.dims) })
    let shape = ImageShape(channels: start.dims[1], height: start.dims[2], width: start.dims[3])
    let network: any Denoiser =
      test.denoiser
      ?? ReferenceDenoiser(imageShape: shape, predictionType: test.process.predictionType, variance: test.variance)
    let denoiser = try test.guidance.map { try GuidedDenoiser(network, $0) } ?? network
    var loop = try SamplingLoop(
      denoiser: denoiser, schedule: test.process.schedule, sampler: test.sampler, images: Array(0..<start.dims[0]),
      conditioning: test.conditioning, noise: noise)
    let plan = try test.sampler.plan(for: test.process)
    try checkTimes(test, plan)
    let states = try floats("\(test.name)/x")
    let clean = try test.cleanName.map { try floats("\(test.name)/\($0)") }
    var row = test.rows == .startAndSteps ? 1 : 0
    while let state = try loop.next() {
      let call = state.step.index
      let provisional = call + 1 < plan.calls.count && plan.calls[call + 1].corrects
      if test.rows != .calls, provisional { continue }
      let unit = test.units == .exploding ? 1 / plan.calls[call].next.signal : 1
      let found = Tensor.combining([(unit, state.previous)])
      let error = trajectoryError(found, states.rows(row..<row + 1).reshaped(start.dims))
      #expect(error <= test.tolerance, "x after call \(call): \(error)")
      if let clean {
        let cleanError = trajectoryError(state.clean, clean.rows(row..<row + 1).reshaped(start.dims))
        #expect(cleanError <= test.tolerance, "x_0 of call \(call): \(cleanError)")
      }
      row += 1
    }
    #expect(states.dims[0] == row)
    return loop.steps
  }

  private func checkTimes(_ test: OriginalCase, _ plan: TrajectoryPlan) throws {
    let recorded = try doubles("\(test.name)/\(test.timesName)")
    let calls = test.timesName == "timesteps" && test.rows == .steps ? plan.calls.filter { !$0.corrects } : plan.calls
    if test.timesTolerance == 0 {
      #expect(calls.map(\.step.timestep.value) == recorded)
    } else {
      #expect(calls.count == recorded.count)
      for (call, time) in zip(calls, recorded) {
        #expect(abs(call.step.networkTimestep.value - time) <= test.timesTolerance, "\(call.step) \(time)")
      }
    }
  }
}

/// A JSON file of lists of timesteps by name.
func recordedTimesteps(_ file: String) throws -> [(name: String, timesteps: [Int]?)] {
  guard case .map(let entries) = try JSON.read(Fixtures.path("samplers/\(file)")) else { return [] }
  return entries.map { entry in
    guard case .list(let items) = entry.value else { return (entry.key, nil) }
    return (entry.key, items.compactMap { if case .integer(let value) = $0 { value } else { nil } })
  }
}
