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
      let sampled = try halftone.run("sample", model, "--sampler", "ddim-10", "--count", "2", "--out", folder)
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
    #expect(described.output.contains("images 4x8x8, a context of 77 tokens of 8 channels"))
  }
}
