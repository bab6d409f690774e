import Formats
import Foundation
import TestSupport
import Testing

/// From a float model to an integer one and what guards the way, on a tiny network.
@Suite(.serialized) struct QuantizeTests {
  let halftone = Launcher()
  static let scheduler = Launcher.checkout.appending(path: "models/fashion-mnist-ddpm/scheduler/scheduler_config.json")
    .path
  static let model = Fixtures.golden("unet-ddpm")

  /// A recipe for few steps and few samples; `tables` as the key activation_tables.
  private func recipe(_ folder: TemporaryFolder, tables: String) throws -> String {
    let path = folder.file("tiny-\(tables).yaml")
    let text = """
      method: tfmq
      weights:
        bits: 4
        symmetric: false
        range: min_max
        rounding: {method: gptq, samples_per_step: 2, damping: 0.01, order: activity, upstream: float}
        bias_correction: true
      activations: {bits: 8, symmetric: false, range: min_max, ema: none, upstream: float, attention_products: float}
      adaptive_ranges: none
      activation_tables: \(tables)
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

  private func quantize(_ recipe: String, _ out: String, _ options: String...) -> [String] {
    ["quantize", Self.model, "--scheduler", Self.scheduler, "--recipe", recipe, "--out", out] + options
  }

  @Test func aTimeScalesTheRecipeAndSaysSo() throws {
    let temporary = try TemporaryFolder()
    let recipe = try recipe(temporary, tables: "shared")
    let ample = try halftone.run(quantize(recipe, temporary.file("a.safetensors"), "--time", "24h"))
    #expect(ample.status == 0 && !ample.errors.contains("of the recipe's work"), "\(ample.errors)")
    let both = try halftone.run(quantize(recipe, temporary.file("b.safetensors"), "--time", "1s", "--effort", "fast"))
    #expect(both.status == 2)
    #expect(both.errors.contains("--time and --effort exclude each other"))
    let unknown = try halftone.run(quantize(recipe, temporary.file("b.safetensors"), "--time", "soon"))
    #expect(unknown.status == 2)
    #expect(!FileManager.default.fileExists(atPath: temporary.file("b.safetensors")))
  }

  @Test func artefactIsTheSameForAnyThreadsAndRunsAlone() throws {
    let temporary = try TemporaryFolder()
    let recipe = try recipe(temporary, tables: "all")
    let (first, second) = (temporary.file("a.safetensors"), temporary.file("b.safetensors"))
    let made = try halftone.run(quantize(recipe, first, "--threads", "1", "--batch", "1"))
    #expect(made.status == 0, "\(made.errors)")
    #expect(made.output.hasPrefix("\(first): "))
    #expect(try halftone.run(quantize(recipe, second, "--threads", "2", "--batch", "3")).status == 0)
    let bytes = FileManager.default.contents(atPath: first)
    #expect(bytes != nil && bytes == FileManager.default.contents(atPath: second))

    // Alone: elsewhere, without the float model, the recipe or the calibration set.
    let elsewhere = try TemporaryFolder()
    try FileManager.default.moveItem(atPath: first, toPath: elsewhere.file("alone.safetensors"))
    let test = try halftone.run("inspect", elsewhere.file("alone.safetensors"), "--self-test")
    #expect(test.status == 0)
    #expect(test.output.contains("values are bit-identical\n"))
    #expect(test.output.contains("sampler: 10 steps (its tables hold for these only)"))
    let run = elsewhere.file("run")
    let sampled = try halftone.run(
      "sample", elsewhere.file("alone.safetensors"), "--count", "2", "--out", run, "--json")
    #expect(sampled.status == 0, "\(sampled.errors)")
    #expect(sampled.output.contains("\"executor\":\"integer\""))
  }

  @Test func setBesideTheOutputIsUsedAgainAndFitsOnlyItsModel() throws {
    let temporary = try TemporaryFolder()
    let recipe = try recipe(temporary, tables: "shared")
    let out = temporary.file("m.safetensors")
    let set = temporary.file("m.calibration.h5")
    #expect(try halftone.run(quantize(recipe, out)).status == 0)
    let again = try halftone.run(quantize(recipe, out))
    #expect(again.errors.contains("using the calibration set \(set)\n"))
    let described = try halftone.run("inspect", set)
    #expect(described.output.hasPrefix("\(set): calibration set\ndigest: sha256:"))
    #expect(described.output.contains("\nsamples: 40\nsteps with samples: 10 of 10\n"))
    let other = try halftone.run(
      "quantize", "fashion-mnist-ddpm", "--recipe", recipe, "--calibration", set, "--out",
      temporary.file("x.safetensors"))
    #expect(other.status == 3)
    #expect(other.errors.hasPrefix("error[E-CAL-MODEL]: "))
    #expect(!FileManager.default.fileExists(atPath: temporary.file("x.safetensors")))
  }

  @Test func stepTablesRefuseOtherSteps() throws {
    let temporary = try TemporaryFolder()
    let out = temporary.file("m.safetensors")
    #expect(try halftone.run(quantize(recipe(temporary, tables: "all"), out)).status == 0)
    let refused = try halftone.run(
      "sample", out, "--sampler", "ddim-20", "--count", "1", "--out", temporary.file("run"))
    #expect(refused.status == 2)
    #expect(
      refused.errors == """
        error[E-MODEL-STEPS]: \(out) has tables for each of the network calls it was calibrated for, and this sampler makes others
          calibrated for: 10 network calls, t = 900, 800, 700, 600, 500, 400, 300, 200, 100, 0
          asked for: 20 network calls, t = 950, 900, 850, 800, 750, 700, 650, 600, 550, 500, 450, 400, …
        hint: leave --sampler and --steps out to use the model's own, or quantise with a recipe for this sampler

        """)
    #expect(!FileManager.default.fileExists(atPath: temporary.file("run")))
    // Another solver that calls the network at the same timesteps may use the tables.
    let preset = try String(
      contentsOf: Launcher.checkout.appending(path: "samplers/euler-20.yaml"), encoding: .utf8)
    let euler = temporary.file("euler.yaml")
    try preset.replacing("timestep_spacing: linspace", with: "timestep_spacing: leading")
      .write(toFile: euler, atomically: true, encoding: .utf8)
    let other = try halftone.run(
      "sample", out, "--sampler", euler, "--steps", "10", "--count", "1", "--out", temporary.file("euler"))
    #expect(other.status == 0, "\(other.errors)")
    #expect(
      other.errors.contains(
        "the model's tables were made with another sampler (ddim); this one calls the network at the same timesteps, so "
          + "they are used"))
    // Heun's calls are as many again.
    let twice = try halftone.run(
      "sample", out, "--sampler", "heun-20", "--steps", "10", "--count", "1", "--out", temporary.file("run"))
    #expect(twice.errors.contains("\n  asked for: 19 network calls, t = 999, 937 (told 936.92"))
  }

  @Test func tablesHaveARowForEveryNetworkCall() throws {
    let temporary = try TemporaryFolder()
    let out = temporary.file("m.safetensors")
    let made = try halftone.run(
      quantize(recipe(temporary, tables: "all"), out, "--sampler", "heun-20", "--steps", "4"))
    #expect(made.status == 0, "\(made.errors)")
    let run = temporary.file("run")
    let sampled = try halftone.run("sample", out, "--count", "2", "--out", run)
    #expect(sampled.status == 0, "\(sampled.errors)")
    #expect(sampled.errors.contains("the network is called 7 times in 4 steps"))
    let compared = try halftone.run(
      "compare", Self.model, out, "--scheduler", Self.scheduler, "--out", temporary.file("compared"), "--count", "1",
      "--json", "--quiet")
    #expect(compared.status == 0, "\(compared.errors)")
    let report = try JSON.parse(Array(compared.output.utf8), file: "report")
    guard case .list(let steps)? = report["epsilon_snr"]?["steps"] else {
      Issue.record("no steps in \(compared.output)")
      return
    }
    let timesteps: [Double] = steps.compactMap { step in
      switch step["timestep"] {
      case .integer(let value)?: Double(value)
      case .number(let value)?: value
      default: nil
      }
    }
    #expect(timesteps == [999, 775, 775, 301, 301, 0, 0])
  }

  @Test func comparisonReportsEveryStepAndGoesOn() throws {
    let temporary = try TemporaryFolder()
    let out = temporary.file("m.safetensors")
    #expect(try halftone.run(quantize(recipe(temporary, tables: "shared"), out)).status == 0)
    let compare = [
      "compare", Self.model, out, "--scheduler", Self.scheduler, "--out", temporary.file("run"), "--json", "--quiet",
    ]
    let first = try halftone.run(compare + ["--count", "2"])
    #expect(first.status == 0, "\(first.errors)")
    let report = try JSON.parse(Array(first.output.utf8), file: "report")
    guard case .list(let steps)? = report["epsilon_snr"]?["steps"] else {
      Issue.record("no steps in \(first.output)")
      return
    }
    #expect(steps.count == 10)
    guard case .list(let drift)? = report["drift"] else {
      Issue.record("no drift in \(first.output)")
      return
    }
    #expect(drift.count == 10)
    for step in drift {
      if case .number(let error)? = step["relative_squared_error"] {
        #expect(error > 0 && error < 1)
      } else {
        Issue.record("no number in \(step)")
      }
    }
    // The standard extractor does not take images of this size.
    #expect(report["perceptual"] == .null)
    // More images, other batches: what is there is kept, and the figures of the whole are those of one run.
    let extended = try halftone.run(compare + ["--count", "4", "--batch", "1"])
    let whole = try halftone.run(
      compare.map { $0 == temporary.file("run") ? temporary.file("whole") : $0 } + ["--count", "4", "--batch", "3"])
    #expect(extended.output == whole.output)
    #expect(try PNG.read(temporary.file("run") + "/grid.png").height > 0)
  }

  @Test func comparisonRefusesModelsThatDoNotBelongTogether() throws {
    let temporary = try TemporaryFolder()
    let out = temporary.file("m.safetensors")
    #expect(try halftone.run(quantize(recipe(temporary, tables: "shared"), out)).status == 0)
    let other = try halftone.run("compare", "fashion-mnist-ddpm", out)
    #expect(other.status == 2)
    #expect(other.errors.hasPrefix("error[E-MODEL-SOURCE]: \(out) was not made from "))
    let twice = try halftone.run("compare", "fashion-mnist-ddpm", "fashion-mnist-ddpm")
    #expect(twice.status == 2)
    #expect(twice.errors.hasPrefix("error[E-MODEL-ROLE]: 'compare' needs a quantised model; "))
  }

  @Test func cutArtefactIsRefused() throws {
    let temporary = try TemporaryFolder()
    let out = temporary.file("m.safetensors")
    #expect(try halftone.run(quantize(recipe(temporary, tables: "shared"), out)).status == 0)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: out))
    for count in [0, 7, 8, 100, bytes.count / 2, bytes.count - 1] {
      try bytes.prefix(count).write(to: URL(fileURLWithPath: out))
      let refused = try halftone.run("inspect", out)
      #expect(refused.status == 3, "\(count) bytes")
      let expected = count == 0 ? "error[E-WEIGHTS-KIND]: \(out): the file is empty\n" : "error[E-ST-"
      #expect(refused.errors.hasPrefix(expected), "\(refused.errors)")
      #expect(refused.output == "")
    }
  }

  @Test func killedQuantisationLeavesNoModel() throws {
    let temporary = try TemporaryFolder()
    let out = temporary.file("m.safetensors")
    let running = try halftone.start([
      "quantize", "fashion-mnist-ddpm", "--recipe", try recipe(temporary, tables: "all"), "--out", out,
    ])
    try running.waitUntil {
      ((try? FileManager.default.contentsOfDirectory(atPath: temporary.path)) ?? []).contains { $0.hasSuffix(".tmp") }
    }
    running.signal(SIGKILL)
    #expect(running.wait().status == 128 + SIGKILL)
    #expect(!FileManager.default.fileExists(atPath: out))
    #expect(!FileManager.default.fileExists(atPath: temporary.file("m.calibration.h5")))
  }
}
