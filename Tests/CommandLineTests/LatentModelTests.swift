import Formats
import Foundation
import Tensors
import TestSupport
import Testing

/// Networks that work on latents and look at contexts, from the file to a quantised model.
@Suite struct LatentModelTests {
  let halftone = Launcher()
  private static let model = Launcher.checkout.appending(path: "models/fashion-mnist-ldm").path

  /// The preset of the name on few steps and samples.
  private func recipe(_ name: String, _ folder: TemporaryFolder) throws -> String {
    let path = folder.file("\(name).yaml")
    let preset = try String(contentsOf: Launcher.checkout.appending(path: "calib/\(name).yaml"), encoding: .utf8)
    try preset.replacing(#/trajectories: \d+/#, with: "trajectories: 4").replacing("batch: 16", with: "batch: 4")
      .replacing(#/iterations: \d+/#, with: "iterations: 4")
      .replacing(#/(?m)^sampler: .*$/#, with: "sampler: ddim-10")
      .write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  @Test func predictTakesLabelsOrContexts() throws {
    let temporary = try TemporaryFolder()
    let arrays = try NPZ.read(Fixtures.path("latent/io.npz")).tensors
    func predict(_ named: [String: String]) throws -> (finished: Finished, y: Tensor?) {
      let (input, out) = (temporary.file("in.npz"), temporary.file("out.npz"))
      try NPZ.write(TensorArchive(tensors: named.compactMapValues { arrays[$0] }), to: input)
      try? FileManager.default.removeItem(atPath: out)
      let finished = try halftone.run(
        "predict", Self.model, "--input", input, "--out", out, "--executor", "float")
      return (finished, try? NPZFile(out).tensor("y").floats())
    }
    let expected = try #require(arrays["eps"]?.floats())
    for operand in [["labels": "label"], ["context": "context"]] {
      let (finished, y) = try predict(["x": "x", "t": "t"].merging(operand) { $1 })
      #expect(finished.status == 0, "\(finished.errors)")
      let found = try #require(y)
      #expect(zip(found.values, expected.values).allSatisfy { abs($0 - $1) < 5e-5 })
    }
    let both = try predict(["x": "x", "t": "t", "labels": "label", "context": "context"])
    #expect(both.finished.status == 3)
    #expect(both.finished.errors.contains("context: stands beside labels; give one of them"))
    let none = try predict(["x": "x", "t": "t"])
    #expect(none.finished.errors.contains("the network is class-conditional (11 classes) and no labels were given"))
    let wrong = try predict(["x": "x", "t": "t", "context": "x"])
    #expect(wrong.finished.errors.contains("context has shape [4, 3, 14, 14], expected [4, 1, 64]"))
  }

  @Test func aQuantisedModelDrawsLatentsAlone() throws {
    let temporary = try TemporaryFolder()
    let out = temporary.file("w8a8.safetensors")
    let made = try halftone.run(
      "quantize", Self.model, "--recipe", try recipe("rtn-w8a8", temporary), "--out", out)
    #expect(made.status == 0, "\(made.errors)")
    let test = try halftone.run("inspect", out, "--self-test")
    #expect(test.output.contains("self-test: passed"), "\(test.output)\(test.errors)")
    #expect(test.output.contains("11 classes through a context of 64 channels, of which 10 stands for none"))
    for (model, run) in [(out, "integer"), (Self.model, "float")] {
      let folder = temporary.file(run)
      let images = try halftone.run(
        "sample", model, "--sampler", "ddim-10", "--count", "2", "--out", folder + "-images")
      #expect(images.status == 0, "\(images.errors)")
      #expect(FileManager.default.fileExists(atPath: folder + "-images/images/000000/000001.png"))
      let sampled = try halftone.run(
        "sample", model, "--sampler", "ddim-10", "--count", "2", "--latents-only", "--out", folder)
      #expect(sampled.status == 0, "\(sampled.errors)")
      let latent = try NPZ.read("\(folder)/latents/000000/000001.npz").tensors["x"]
      #expect(latent?.dims == [3, 14, 14])
    }
  }

  /// Blocks with contexts are learned: the walk carries every sample's own.
  @Test func transformersAreReconstructed() throws {
    let temporary = try TemporaryFolder()
    let out = temporary.file("w4a8.safetensors")
    let recipe = try recipe("tfmq-w4a8", temporary)
    let made = try halftone.run("quantize", Self.model, "--recipe", recipe, "--steps", "3", "--out", out)
    #expect(made.status == 0, "\(made.errors)")
    #expect(try halftone.run("inspect", out, "--self-test").output.contains("self-test: passed"))
  }

  @Test func imagesOfAContextThatNothingMakesAreRefused() throws {
    let temporary = try TemporaryFolder()
    let text = Fixtures.path("checkpoints/f5-sd1/sd-v1-like.ckpt")
    let refused = try halftone.run("sample", text, "--count", "1", "--out", temporary.file("run"))
    #expect(refused.status == 2)
    #expect(
      refused.errors.contains(
        "error[E-MODEL-CONTEXT]: \(text) is conditioned on a context of 77 tokens of 8 channels, "
          + "and nothing that loads here makes one\n"))
    let described = try halftone.run("inspect", text)
    #expect(described.output.contains("latents 4x8x8, a context of 77 tokens of 8 channels"))
  }

  @Test("guided images are PyTorch's: x_T given, DDIM of 20 steps, guidance 1.5, every pixel") func guidedPixels()
    throws
  {
    let temporary = try TemporaryFolder()
    let recorded = Fixtures.path("latent/ddim20-cfg1.5.npz")
    let arrays = try NPZ.read(recorded).tensors
    let labels = try #require(arrays["labels"]?.integers(Int32.self)).map(String.init).joined(separator: ",")
    let expected = try #require(arrays["images_u8"])
    for (batch, folder) in [("8", temporary.file("whole")), ("3", temporary.file("parts"))] {
      let run = try halftone.run(
        "sample", Self.model, "--sampler", "compvis-ddim-20", "--guidance", "1.5", "--labels", labels,
        "--initial-noise", recorded, "--count", "8", "--batch", batch, "--npz", "--out", folder)
      #expect(run.status == 0, "\(run.errors)")
      let drawn = try #require(NPZ.read(folder + "/samples.npz").tensors["arr_0"])
      #expect(drawn.bytes == expected.bytes)
    }
    // Another scale is another run.
    let other = try halftone.run(
      "sample", Self.model, "--sampler", "compvis-ddim-20", "--guidance", "3", "--labels", labels, "--initial-noise",
      recorded, "--count", "8", "--out", temporary.file("whole"))
    #expect(other.status == 4, "\(other.errors)")
    #expect(other.errors.contains("guidance"))
  }

  @Test("a model quantised with guidance holds both branches in its set, and draws with that guidance")
  func guidedQuantisation() throws {
    let temporary = try TemporaryFolder()
    let out = temporary.file("guided.safetensors")
    let recipe = try recipe("rtn-w8a8", temporary)
    let made = try halftone.run("quantize", Self.model, "--recipe", recipe, "--guidance", "2", "--out", out)
    #expect(made.status == 0, "\(made.errors)")
    // A set of guided trajectories serves no other guidance; read from the disk it gives the gathered ranges' bits.
    let set = temporary.file("guided.calibration.h5")
    let plain = try halftone.run(
      "quantize", Self.model, "--recipe", recipe, "--calibration", set, "--out", temporary.file("plain.safetensors"))
    #expect(plain.status == 3)
    #expect(plain.errors.contains("guidance: the set has"))
    let again = temporary.file("again.safetensors")
    let second = try halftone.run(
      "quantize", Self.model, "--recipe", recipe, "--guidance", "2", "--calibration", set, "--out", again)
    #expect(second.status == 0, "\(second.errors)")
    #expect(FileManager.default.contents(atPath: again) == FileManager.default.contents(atPath: out))
    // Its own guidance without a word.
    func images(_ options: String...) throws -> Data? {
      let folder = temporary.file("run-\(options.joined())")
      let run = try halftone.run(["sample", out, "--count", "2", "--npz", "--out", folder] + options)
      #expect(run.status == 0, "\(run.errors)")
      return FileManager.default.contents(atPath: folder + "/samples.npz")
    }
    let own = try images()
    #expect(try own == images("--guidance", "2"))
    #expect(try own != images("--guidance", "1"))
    let compared = try halftone.run(
      "compare", Self.model, out, "--count", "2", "--out", temporary.file("compared"), "--json")
    #expect(compared.status == 0, "\(compared.errors)")
  }

  @Test func anotherRowStandsForNoClass() throws {
    let temporary = try TemporaryFolder()
    func images(_ options: String...) throws -> (Finished, Data?) {
      let folder = temporary.file("run\(options.joined())")
      let run = try halftone.run(
        [
          "sample", Self.model, "--steps", "3", "--sampler", "own", "--labels", "2", "--count", "2", "--npz", "--out",
          folder,
        ]
          + options)
      return (run, FileManager.default.contents(atPath: folder + "/samples.npz"))
    }
    let own = try images("--guidance", "2")
    #expect(own.0.status == 0, "\(own.0.errors)")
    #expect(try images("--guidance", "2", "--unconditional", "10").1 == own.1)
    #expect(try images("--guidance", "2", "--unconditional", "3").1 != own.1)
    let none = try images("--guidance", "2", "--unconditional", "none").0
    #expect(none.status == 2)
    #expect(none.errors.contains("has no class that stands for none"), "\(none.errors)")
    let beyond = try images("--unconditional", "11").0
    #expect(beyond.status == 3)
    #expect(beyond.errors.contains("--unconditional 11: the table has rows 0 to 10"), "\(beyond.errors)")
    let pixels = try halftone.run(
      "inspect", Fixtures.path("checkpoints/f2-guided-neworder/\(try checkpoint("f2-guided-neworder"))"),
      "--unconditional", "0")
    #expect(pixels.status == 3)
    #expect(
      pixels.errors.contains("--unconditional: no table of classes stands beside the network"), "\(pixels.errors)")
  }

  /// The one file of a case that holds weights.
  private func checkpoint(_ name: String) throws -> String {
    let files = try FileManager.default.contentsOfDirectory(atPath: Fixtures.path("checkpoints/\(name)"))
    return try #require(files.first { $0.hasSuffix(".pt") || $0.hasSuffix(".ckpt") || $0.hasSuffix(".safetensors") })
  }

  @Test(
    "guidance that has nothing to compare with is refused before any work",
    arguments: [
      (["--guidance", "2"], "takes no classes, so there is nothing to guide towards"),
      (["--guidance-rescale", "0.5"], "nothing is guided, so nothing is rescaled"),
      (["--guidance", "nan"], "--guidance nan: expected -100.0 to 100.0"),
      (["--guidance", "2", "--guidance-rescale", "2"], "--guidance-rescale 2.0: expected 0 to 1"),
    ]) func refusedGuidance(options: [String], message: String) throws
  {
    let temporary = try TemporaryFolder()
    let run = try halftone.run(
      ["sample", "fashion-mnist-ddpm", "--count", "1", "--out", temporary.file("run")] + options)
    #expect(run.status == 2)
    #expect(run.errors.contains(message), "\(run.errors)")
    #expect(!FileManager.default.fileExists(atPath: temporary.file("run")))
  }
}
