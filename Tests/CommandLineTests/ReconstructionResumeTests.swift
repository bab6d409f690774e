import Foundation
import TestSupport
import Testing

/// `quantize` with reconstruction: killed and started again, damaged in between, and at another effort.
@Suite(.serialized) struct ReconstructionResumeTests {
  let halftone = Launcher()

  private func recipe(
    _ folder: TemporaryFolder, part: String = "blocks", iterations: Int = 64
  ) throws -> String {
    let path = folder.file("learned-\(part).yaml")
    let learning = """
      {relaxation: straight_through, iterations: \(iterations), batch: 4, learning_rate: 0.005, scale_learning_rate: 0,
          bias_learning_rate: 0.0001, penalty: 0.01, warm_up: 0.2, exponent: {first: 20, last: 2}, start_trust: 0,
          upstream: quantized_weights, loss: equal, activations: float}
      """
    let text = """
      method: rtn
      weights: {bits: 4, symmetric: false, range: min_max, rounding: nearest, bias_correction: false}
      activations: float
      adaptive_ranges: none
      activation_tables: shared
      temporal_features: computed
      split_inputs: none
      smoothing: none
      mixed_precision: none
      correction: none
      reconstruction:
        samples_per_step: 2
        memory_mib: 256
        order: execution
        temporal_block: none
        blocks: \(part == "blocks" ? learning : "none")
        network: \(part == "network" ? learning : "none")
        activation_steps: none
      sampler: ddim-10
      calibration: {distribution: uniform, every: 1, trajectories: 2, seed: 0, labels: balanced}
      float_layers: [conv_in, conv_out]
      """
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  private func quantize(_ recipe: String, _ out: String, _ options: String...) -> [String] {
    ["quantize", QuantizeTests.model, "--scheduler", QuantizeTests.scheduler, "--recipe", recipe, "--out", out]
      + options
  }

  private func finished(_ folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter {
      $0.hasSuffix(".safetensors") && !$0.hasSuffix(".state.safetensors")
    }.sorted()
  }

  /// One run in peace, and one that a signal ends while the network is learned and a state of it is kept.
  private func ended(
    by signal: Int32, _ temporary: TemporaryFolder
  ) throws -> (recipe: String, whole: String, out: String, state: String, end: Finished) {
    let recipe = try recipe(temporary, part: "network", iterations: 256)
    let (whole, out) = (temporary.file("whole.safetensors"), temporary.file("ended.safetensors"))
    #expect(try halftone.run(quantize(recipe, whole)).status == 0)
    let state = out + ".partial/1.state.safetensors"
    let running = try halftone.start(quantize(recipe, out))
    try running.waitUntil { FileManager.default.fileExists(atPath: state) }
    running.signal(signal)
    let end = running.wait()
    #expect(!FileManager.default.fileExists(atPath: out))
    return (recipe, whole, out, state, end)
  }

  @Test func aKilledRegionGoesOnFromItsLastState() throws {
    let temporary = try TemporaryFolder()
    let (recipe, whole, out, state, end) = try ended(by: SIGKILL, temporary)
    #expect(end.status == 128 + SIGKILL)
    let resumed = try halftone.run(quantize(recipe, out, "--threads", "1"))
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(
      resumed.errors.contains("network: goes on after iteration ") && resumed.errors.contains(", from \(state)\n"))
    #expect(!FileManager.default.fileExists(atPath: out + ".partial"))
    #expect(FileManager.default.contents(atPath: out) == FileManager.default.contents(atPath: whole))
  }

  @Test func aStoppedRegionSaysWhatIsSafe() throws {
    let temporary = try TemporaryFolder()
    let (recipe, whole, out, state, end) = try ended(by: SIGINT, temporary)
    #expect(end.status == 130)
    let said = try #require(
      end.errors.firstMatch(
        of: /stopped\[SIGINT\]: (\d+) of 256 iterations of this stage \(reconstructing network\) are done and safe/))
    let resumed = try halftone.run(quantize(recipe, out))
    #expect(resumed.errors.contains("network: goes on after iteration \(said.1), from \(state)\n"))
    #expect(FileManager.default.contents(atPath: out) == FileManager.default.contents(atPath: whole))
  }

  @Test func aKilledReconstructionGoesOnAtTheLastFinishedRegion() throws {
    let temporary = try TemporaryFolder()
    let recipe = try recipe(temporary)
    let (whole, out) = (temporary.file("whole.safetensors"), temporary.file("killed.safetensors"))
    let made = try halftone.run(quantize(recipe, whole))
    #expect(made.status == 0, "\(made.errors)")
    let folder = out + ".partial"
    let running = try halftone.start(quantize(recipe, out))
    try running.waitUntil { finished(folder).count >= 2 }
    running.signal(SIGKILL)
    #expect(running.wait().status == 128 + SIGKILL)
    let kept = finished(folder)
    #expect(kept.count >= 2 && !FileManager.default.fileExists(atPath: out))
    // A file that has lost its digest does not count.
    let damaged = folder + "/" + kept[0]
    var bytes = try Data(contentsOf: URL(filePath: damaged))
    bytes[bytes.count - 1] ^= 1
    try bytes.write(to: URL(filePath: damaged))
    let resumed = try halftone.run(quantize(recipe, out, "--threads", "1"))
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(!resumed.errors.contains("taken from \(damaged)\n"))
    #expect(resumed.errors.contains("taken from \(folder)/\(kept[1])\n"))
    #expect(!FileManager.default.fileExists(atPath: folder))
    #expect(FileManager.default.contents(atPath: out) == FileManager.default.contents(atPath: whole))
  }

  @Test func effortSaysWhatItChanges() throws {
    let temporary = try TemporaryFolder()
    let out = temporary.file("fast.safetensors")
    let made = try halftone.run(quantize(try recipe(temporary), out, "--effort", "fast"))
    #expect(made.status == 0, "\(made.errors)")
    #expect(
      made.errors.hasPrefix(
        """
        effort fast:
          calibration.trajectories: 2 -> 1
          weights.rounding: nearest -> gptq
          reconstruction.blocks: 64 iterations -> none

        """), "\(made.errors)")
    let unknown = try halftone.run(quantize("rtn-w8a8", out, "--effort", "most"))
    #expect(unknown.status == 2)
  }
}
