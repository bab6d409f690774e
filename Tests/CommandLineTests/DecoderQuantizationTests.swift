import Formats
import Foundation
import Tensors
import TestSupport
import Testing

/// `quantize --components`: decoders of latent models, from the recipe to images.
@Suite struct DecoderQuantizationTests {
  let halftone = Launcher()
  private static let model = "fashion-mnist-ldm"

  /// The shipped recipe on two latents.
  private func recipe(_ folder: TemporaryFolder, _ change: (String) -> String = { $0 }) throws -> String {
    let preset = Launcher.checkout.appending(path: "calib/decoders/decoder-w8a8.yaml")
    let path = folder.file("decoder.yaml")
    try change(String(contentsOf: preset, encoding: .utf8).replacing("trajectories: 8", with: "trajectories: 2"))
      .write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  @Test func aDecoderAloneIsQuantisedComparedAndUsed() throws {
    let temporary = try TemporaryFolder()
    let out = temporary.file("decoder.safetensors")
    let made = try halftone.run(
      "quantize", Self.model, "--components", "decoder", "--decoder-recipe", try recipe(temporary), "--steps", "4",
      "--out", out)
    #expect(made.status == 0, "\(made.errors)")
    let line = try #require(made.output.firstMatch(of: #/decoder: PSNR mean ([0-9.]+) dB, of the mean error/#))
    #expect(try #require(Double(line.1)) > 30)
    // The denoiser's latents are the float model's; only the decoder differs.
    let folder = temporary.file("compared")
    let compared = try halftone.run(
      "compare", Self.model, out, "--steps", "4", "--sampler", "own", "--count", "3", "--out", folder)
    #expect(compared.status == 0, "\(compared.errors)")
    let report = try JSON.read(folder + "/report.json")
    #expect(report["decoder"]?["latents"] == 3)
    let decoder = try #require(report["decoder"]?["mean_decibels"]?.double)
    let images = try #require(report["psnr"]?["mean_decibels"]?.double)
    #expect(decoder > 30 && abs(decoder - images) < 0.5, "\(decoder) \(images)")
    #expect(compared.output.contains("decoder by itself: PSNR"))
    #expect(compared.output.contains("latents: SNR"))
    let described = try halftone.run("inspect", out, "--self-test")
    #expect(described.output.contains("parameters, quantised"))
    #expect(described.output.contains("self-test: passed"))
  }

  @Test func allComponentsStandInOneFile() throws {
    let temporary = try TemporaryFolder()
    let (all, denoiser) = (temporary.file("all.safetensors"), temporary.file("denoiser.safetensors"))
    let common = ["quantize", Self.model, "--recipe", "rtn-w8a8", "--steps", "3", "--guidance", "1.5"]
    let alone = try halftone.run(common + ["--out", denoiser])
    #expect(alone.status == 0, "\(alone.errors)")
    let set = temporary.file("denoiser.calibration.h5")
    let made = try halftone.run(
      common + [
        "--components", "all", "--decoder-recipe", try recipe(temporary), "--calibration", set, "--out", all,
      ])
    #expect(made.status == 0, "\(made.errors)")
    let files = try [all, denoiser].map { try Safetensors.read($0).tensors }
    // The denoiser is the same in both.
    for (name, array) in files[1] where !name.hasPrefix("decoder/") { #expect(files[0][name] == array, "\(name)") }
    #expect(files[0]["decoder/decoder.mid_block.resnets.0.conv1.weight.codes"] != nil)
    #expect(files[1]["decoder/decoder.mid_block.resnets.0.conv1.weight.codes"] == nil)
    // Images come with the quantised decoder, whatever the batch.
    var archives: [Data?] = []
    for batch in ["1", "3"] {
      let folder = temporary.file("run-\(batch)")
      let run = try halftone.run("sample", all, "--count", "3", "--batch", batch, "--npz", "--out", folder)
      #expect(run.status == 0, "\(run.errors)")
      archives.append(FileManager.default.contents(atPath: folder + "/samples.npz"))
    }
    #expect(archives[0] != nil && archives[0] == archives[1])
  }

  @Test(
    "what does not go together is refused before any work",
    arguments: [
      (["fashion-mnist-ddpm", "--components", "decoder"], 3, "has no decoder: it holds a denoiser alone"),
      (["fashion-mnist-ldm"], 2, "give --recipe, which quantises the denoiser"),
      (
        ["fashion-mnist-ldm", "--components", "decoder", "--recipe", "rtn-w8a8", "--time", "5m"], 2,
        "--recipe, --time: the denoiser is not quantised with --components decoder"
      ),
      (
        ["fashion-mnist-ldm", "--recipe", "rtn-w8a8", "--decoder-recipe", "decoder-w8a8"], 2,
        "--decoder-recipe needs --components decoder or all"
      ),
      (
        ["fashion-mnist-ldm", "--components", "decoder", "--decoder-recipe", "decoder-w8"], 2,
        "no decoder's recipe decoder-w8: neither a path nor a name (did you mean decoder-w8a8?)"
      ),
    ] as [([String], Int, String)]) func refused(arguments: [String], status: Int, message: String) throws
  {
    let temporary = try TemporaryFolder()
    let run = try halftone.run(["quantize"] + arguments + ["--out", temporary.file("m.safetensors")])
    #expect(run.status == status, "\(run.errors)")
    #expect(run.errors.contains(message), "\(run.errors)")
    #expect(!FileManager.default.fileExists(atPath: temporary.file("m.safetensors")))
  }

  @Test func aRecipeThatNeedsStepsIsRefused() throws {
    let temporary = try TemporaryFolder()
    let path = try recipe(temporary) {
      $0.replacing("activation_tables: shared", with: "activation_tables: all").replacing(
        "correction: none", with: "correction: {method: ptqd, samples_per_step: 1}")
    }
    let run = try halftone.run(
      "quantize", Self.model, "--components", "decoder", "--decoder-recipe", path, "--out",
      temporary.file("m.safetensors"))
    #expect(run.status == 3, "\(run.errors)")
    let why = "the network that this recipe is for has no sampling steps"
    #expect(run.errors.contains("decoder: activation_tables: expected shared: \(why)"), "\(run.errors)")
    #expect(run.errors.contains("decoder: correction: expected none: \(why)"), "\(run.errors)")
  }

  @Test func recipesAreComparedWithGuidanceAndQuantisedDecoders() throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("ablation")
    let run = try halftone.run(
      "ablate", Self.model, "--recipes", "rtn-w8a8", "--guidance", "1.5", "--decoder-recipe", try recipe(temporary),
      "--steps", "3", "--count", "4", "--seeds", "1", "--step-images", "2", "--out", folder)
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.output.contains("| decoder, ms | decoder PSNR, dB |"), "\(run.output)")
    let report = try JSON.read(folder + "/report.json")
    let rows = try #require(report["rows"]?.items)
    #expect(try #require(rows.last?["decoder_psnr_mean_decibels"]?.double) > 30)
    #expect(rows[0]["decoder_psnr_mean_decibels"] == .null)
    let other = try halftone.run(
      "ablate", Self.model, "--recipes", "rtn-w8a8", "--steps", "3", "--count", "4", "--seeds", "1", "--out", folder)
    #expect(other.status == 4, "\(other.errors)")
  }
}

extension ConfigurationValue {
  fileprivate var double: Double? { if case .number(let value) = self { value } else { nil } }
  fileprivate var items: [ConfigurationValue]? { if case .list(let items) = self { items } else { nil } }
}
