import Formats
import Foundation
import TestSupport
import Testing

/// The comparison of recipes, on a tiny network: what it reuses, and what it refuses.
@Suite(.serialized) struct AblateTests {
  let halftone = Launcher()
  private static let model = TinyRecipe.model

  private func recipe(_ folder: TemporaryFolder, _ name: String, bits: Int, sampler: String = "ddim-10") throws
    -> String
  {
    try TinyRecipe.write(folder.file("\(name).yaml"), bits: bits, sampler: sampler)
  }

  private func ablate(_ recipes: [String], _ out: String, _ options: String...) -> [String] {
    [
      "ablate", Self.model, "--scheduler", QuantizeTests.scheduler, "--recipes", recipes.joined(separator: ","),
      "--step-images", "2", "--out", out,
    ] + options
  }

  @Test func killedRunGoesOnAndRecipesMayBeAdded() throws {
    let temporary = try TemporaryFolder()
    let out = temporary.file("run")
    let eight = try recipe(temporary, "eight", bits: 8)
    let running = try halftone.start(ablate([eight], out, "--count", "40", "--seeds", "2", "--batch", "1"))
    try running.waitUntil {
      FileManager.default.fileExists(atPath: out + "/float/seed-0/images/000000/000001.png")
    }
    running.signal(SIGKILL)
    #expect(running.wait().status == 128 + SIGKILL)
    let artefact = out + "/eight.safetensors"
    let made = try FileManager.default.attributesOfItem(atPath: artefact)[.modificationDate] as? Date

    let four = try recipe(temporary, "four", bits: 4)
    let resumed = try halftone.run(ablate([eight, four], out, "--count", "2", "--seeds", "2"))
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(resumed.errors.contains("using the calibration set \(out)/calibration-"))
    #expect(!resumed.errors.contains("quantising: eight"))
    #expect(resumed.errors.contains("quantising: four"))
    #expect(try FileManager.default.attributesOfItem(atPath: artefact)[.modificationDate] as? Date == made)

    let report = try JSON.read(out + "/report.json")
    guard case .list(let rows)? = report["rows"] else { throw TestFailure("no rows") }
    #expect(rows.map { $0["title"] } == ["float", "eight", "four"])
    guard case .number(let eightSNR)? = rows[1]["epsilon_snr_mean_decibels"],
      case .number(let fourSNR)? = rows[2]["epsilon_snr_mean_decibels"]
    else { throw TestFailure("no epsilon SNR") }
    #expect(eightSNR > fourSNR)
    // Not the embedded model: nothing to measure distances to.
    #expect(report["metric"] == .null && rows[1]["frechet_distances"] == [])
    #expect(rows[0]["quantization_seconds"] == .null)
    #expect(rows[1]["quantization_seconds"] != .null)
    let text = try String(contentsOfFile: out + "/report.md", encoding: .utf8)
    #expect(text.contains("Epsilon SNR at each step, dB:"))
    #expect(text.split(separator: "\n").count { $0.hasPrefix("|") } == 5 + 12)

    // What was measured stays what it was.
    let again = try halftone.run(ablate([eight, four], out, "--count", "2", "--seeds", "2", "--json"))
    let second = try JSON.parse(Array(again.output.utf8), file: "output")
    guard case .list(let repeated)? = second["rows"] else { throw TestFailure("no rows") }
    for key in ["epsilon_snr_decibels", "psnr_pooled_decibels", "ssim_mean", "quantization_seconds", "bytes"] {
      #expect(rows.map { $0[key] } == repeated.map { $0[key] }, "\(key)")
    }
  }

  @Test func contradictionsAreRefusedBeforeAnyWork() throws {
    let temporary = try TemporaryFolder()
    let out = temporary.file("run")
    let ten = try recipe(temporary, "ten", bits: 8)
    let twenty = try recipe(temporary, "twenty", bits: 8, sampler: "ddim-50")
    let differ = try halftone.run(ablate([ten, twenty], out))
    #expect(differ.status == 2)
    #expect(
      differ.errors == """
        error[E-ABLATE-SAMPLER]: the recipes name different samplers:
          ten: ddim, 10 steps
          twenty: ddim, 50 steps
        hint: choose one for all of them with --sampler

        """)
    let statistics = Launcher.checkout.appending(path: "models/fashion-mnist-classifier/statistics-test.npz").path
    let one = try halftone.run(ablate([ten], temporary.file("one"), "--count", "1", "--reference", statistics))
    #expect(one.status == 3 && one.output.isEmpty)
    #expect(
      one.errors.contains("error[E-SCORE-COUNT]: a distance to \(statistics) needs at least 2 images, found 1\n"),
      "\(one.errors)")
    let absent = try halftone.run(ablate([ten], temporary.file("no"), "--reference", temporary.file("absent")))
    #expect(absent.status == 3 && !absent.errors.contains("quantising"), "\(absent.errors)")
    let twice = try halftone.run(ablate([ten, ten], out))
    #expect(twice.errors == "error[E-ABLATE-NAME]: recipes of the same name would overwrite each other: ten\n")
    let preset = try halftone.run("ablate", "fashion-mnist-ddpm", "--preset", "brecq", "--out", out)
    #expect(preset.status == 2)
    #expect(preset.errors.hasPrefix("error[E-ABLATE-PRESET]: no preset brecq; there are "))
    let nothing = try halftone.run("ablate", "fashion-mnist-ddpm", "--out", out)
    #expect(
      nothing.errors == """
        error[E-ABLATE-SELECTION]: name either recipes or a preset
        hint: --recipes rtn-w8a8,halftone-w8a8, or --preset tfmq

        """)
    #expect(!FileManager.default.fileExists(atPath: out))
  }
}

/// A result that is not what a test reads from it.
private struct TestFailure: Error {
  let text: String
  init(_ text: String) { self.text = text }
}
