import Foundation
import Halftone
import TestSupport
import Testing

/// The checkout, whose models and presets the tests use.
let checkout = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent().path

/// A runtime of the checkout's presets. - Parameter notes: takes what is said.
func testRuntime(
  threads: Int = 2, batch: Int = 4, hdf5Reader: String? = nil, notes: @escaping @Sendable (String) -> Void = { _ in }
) throws -> Runtime {
  try Runtime(assets: checkout, threads: threads, batch: batch, hdf5Reader: hdf5Reader, notes: notes)
}

/// Runs the program that was built with these tests. - Returns: standard output.
@discardableResult func halftone(_ arguments: String...) throws -> String {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: BuiltProgram.path)
  process.arguments = arguments
  let output = Pipe()
  process.standardOutput = output
  process.standardError = FileHandle.nullDevice
  process.standardInput = FileHandle.nullDevice
  try process.run()
  let bytes = output.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  #expect(process.terminationStatus == 0, "\(arguments)")
  return String(decoding: bytes, as: UTF8.self)
}

/// The error that `body` throws, if it is one of the package's.
func pipelineError(_ body: () async throws -> Void) async -> PipelineError? {
  do {
    try await body()
    return nil
  } catch {
    return error as? PipelineError
  }
}

/// A recipe of few samples for the embedded pixel model. - Returns: its path.
func tinyRecipe(in folder: TemporaryFolder) throws -> String {
  let path = folder.file("tiny.yaml")
  let text = """
    method: tfmq
    weights: {bits: 8, symmetric: true, range: min_max, rounding: nearest, bias_correction: false}
    activations: {bits: 8, symmetric: false, range: min_max, ema: none, upstream: float, attention_products: float}
    adaptive_ranges: none
    activation_tables: shared
    temporal_features: computed
    split_inputs: none
    smoothing: none
    reconstruction: none
    mixed_precision: none
    correction: none
    sampler: ddim-10
    calibration: {distribution: uniform, every: 1, trajectories: 4, seed: 0, labels: balanced}
    float_layers: [conv_in, conv_out]
    """
  try text.write(toFile: path, atomically: true, encoding: .utf8)
  return path
}
