import Diffusion
import Formats
import Tensors
import TestSupport
import Testing

/// A trajectory that the released code of a paper drew on the reference network, and what makes it here.
struct OriginalCase: Sendable, CustomTestStringConvertible {
  /// Its name in the archive, before `/x`.
  let name: String
  let process: DiffusionProcess
  let sampler: any Sampler
  var variance: ReferenceDenoiser.Variance = .none
  /// The archive's name of the predictions of x_0; nil where they were not recorded.
  var cleanName: String?
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
    var loop = try SamplingLoop(
      denoiser: ReferenceDenoiser(
        imageShape: shape, predictionType: test.process.predictionType, variance: test.variance),
      schedule: test.process.schedule, sampler: test.sampler, images: Array(0..<start.dims[0]), noise: noise)
    #expect(try loop.steps.map(\.timestep.value) == doubles("\(test.name)/timesteps"))
    let states = try floats("\(test.name)/x")
    let clean = try test.cleanName.map { try floats("\(test.name)/\($0)") }
    #expect(states.dims[0] == loop.steps.count)
    while let state = try loop.next() {
      let row = state.step.index..<state.step.index + 1
      let error = trajectoryError(state.previous, states.rows(row).reshaped(start.dims))
      #expect(error <= test.tolerance, "x after step \(state.step.index): \(error)")
      guard let clean else { continue }
      let cleanError = trajectoryError(state.clean, clean.rows(row).reshaped(start.dims))
      #expect(cleanError <= test.tolerance, "x_0 of step \(state.step.index): \(cleanError)")
    }
    return loop.steps
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
