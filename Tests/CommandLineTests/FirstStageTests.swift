import Formats
import Foundation
import Tensors
import TestSupport
import Testing

/// Latent models from samples to images: what `sample`, `decode` and `encode` promise together.
@Suite(.serialized) struct FirstStageTests {
  let halftone = Launcher()
  private static let ldm = Fixtures.path("checkpoints/f6-ldm-pipeline")
  private static let codes = Fixtures.path("checkpoints/f4-vq-f4")
  private static let embedded = Launcher.checkout.appending(path: "models/fashion-mnist-ldm").path

  private func array(_ path: String, _ name: String = "x") throws -> Tensor {
    try #require(try NPZFile(path).tensor(name).floats())
  }

  private func pixels(_ folder: String, _ count: Int) throws -> [[UInt8]] {
    try (0..<count).map { try PNG.read("\(folder)/images/000000/00000\($0).png").pixels }
  }

  /// x_T of the recorded run, as an input file.
  private func noise(in temporary: TemporaryFolder) throws -> String {
    let path = temporary.file("x_T.npz")
    try NPZ.write(
      TensorArchive(tensors: ["x_T": try NPZFile(Self.ldm + "/io.npz").tensor("sample/latents")]), to: path)
    return path
  }

  @Test func aPipelineOfDiffusersGivesItsLatentsAndImages() throws {
    let temporary = try TemporaryFolder()
    let (latents, images, decoded) = (temporary.file("latents"), temporary.file("images"), temporary.file("decoded"))
    let command = [
      "sample", Self.ldm, "--steps", "8", "--count", "2", "--initial-noise", try noise(in: temporary), "--executor",
      "float", "--out",
    ]
    let kept = try halftone.run(command + [latents, "--latents-only"])
    #expect(kept.status == 0, "\(kept.errors)")
    #expect(kept.output.hasPrefix("2 latents in \(latents)/latents (2 drawn, 0 kept)\n"))
    let drawn = try halftone.run(command + [images])
    #expect(drawn.status == 0, "\(drawn.errors)")
    let states = try array(Self.ldm + "/io.npz", "sample/x")
    let final = states.rows(7..<8).reshaped([2, 3, 8, 8])
    for index in 0..<2 {
      let file = "\(latents)/latents/000000/00000\(index).npz"
      let x = try array(file)
      let expected = final.rows(index..<(index + 1))
      let bound = 1e-4 * max(1, expected.values.map(abs).max() ?? 1)
      #expect(x.dims == [3, 8, 8] && zip(x.values, expected.values).allSatisfy { abs($0 - $1) < bound })
      let names = try NPZ.read(file).names
      #expect(names == ["halftone-index", "halftone-model", "halftone-run", "halftone-seed", "x"])
    }
    // The original's images are numbers from 0 to 1, channels last; one level of rounding remains.
    let recorded = try array(Self.ldm + "/io.npz", "sample/image01_nhwc")
    for (index, found) in try pixels(images, 2).enumerated() {
      let expected = recorded.rows(index..<(index + 1)).values
      #expect(zip(found, expected).allSatisfy { abs(Float($0) / 255 - $1) < 0.5 / 255 + 1e-4 })
    }
    let again = try halftone.run(
      "decode", latents, "--model", Self.ldm, "--executor", "float", "--out", decoded)
    #expect(again.status == 0 && again.output == "2 images in \(decoded)/images (2 made, 0 kept)\n", "\(again.errors)")
    #expect(try pixels(decoded, 2) == pixels(images, 2))
    let inspected = try halftone.run("inspect", decoded)
    #expect(inspected.output.contains("command: decode") && inspected.output.contains("images: 2"))
  }

  @Test func runsGoOnWhereTheyWereKilled() throws {
    let temporary = try TemporaryFolder()
    let (clean, killed) = (temporary.file("clean"), temporary.file("killed"))
    func command(_ folder: String, _ options: String...) -> [String] {
      ["sample", Self.ldm, "--steps", "50", "--count", "24", "--batch", "4", "--out", folder] + options
    }
    #expect(try halftone.run(command(clean)).status == 0)
    let running = try halftone.start(command(killed, "--threads", "1"))
    try running.waitUntil { FileManager.default.fileExists(atPath: killed + "/images/000000/000002.png") }
    running.signal(SIGKILL)
    _ = running.wait()
    // A batch may have been decoded in part: what is missing is drawn and decoded again.
    try? FileManager.default.removeItem(atPath: killed + "/images/000000/000001.png")
    let resumed = try halftone.run(command(killed, "--batch", "3"))
    #expect(resumed.status == 0, "\(resumed.errors)")
    for index in 0..<24 {
      let name = "/images/000000/0000\(index < 10 ? "0" : "")\(index).png"
      #expect(try Data(contentsOf: URL(fileURLWithPath: clean + name)).count > 0)
      #expect(try PNG.read(killed + name).pixels == PNG.read(clean + name).pixels, "image \(index)")
    }
    let other = try halftone.run(command(clean, "--latents-only"))
    #expect(other.status == 4)
    #expect(other.errors.contains("configuration.decoder: \"sha256:") && other.errors.contains("\"none\" asked for"))
  }

  @Test func tilesAreBlendedAndPartOfTheIdentity() throws {
    let temporary = try TemporaryFolder()
    let file = temporary.file("z.npz")
    var random = SplitMix64(seed: 9)
    let z = Tensor([2, 3, 20, 12], random.floats(2 * 3 * 20 * 12))
    try NPZ.write(TensorArchive(tensors: ["x": StoredTensor(z)]), to: file)
    func decode(_ out: String, _ options: String...) throws -> Finished {
      try halftone.run(["decode", file, "--model", Self.codes, "--out", temporary.file(out)] + options)
    }
    for (out, options) in [("a", ["--threads", "1", "--batch", "1"]), ("b", ["--threads", "2", "--batch", "2"])] {
      let finished = try halftone.run(
        ["decode", file, "--model", Self.codes, "--out", temporary.file(out), "--tile", "8", "--json"] + options)
      #expect(finished.status == 0, "\(finished.errors)")
      let report = try JSON.parse(Array(finished.output.utf8), file: "report")
      #expect(report["tiles_per_image"] == 6 && report["made"] == 2 && report["shape"] == [3, 80, 48])
    }
    #expect(try pixels(temporary.file("a"), 2) == pixels(temporary.file("b"), 2))
    #expect(try decode("whole").status == 0)
    #expect(try pixels(temporary.file("a"), 2) != pixels(temporary.file("whole"), 2))
    let other = try decode("a", "--tile", "16")
    #expect(other.status == 4 && other.errors.contains("configuration.tile.size: 8 there, 16 asked for"))
    let named = try decode("whole", "--tile", "whole")
    #expect(named.status == 0 && named.output.hasSuffix("(0 made, 2 kept)\n"), "\(named.errors)")
    let wrong = try decode("c", "--tile", "3")
    #expect(wrong.status == 2)
  }

  @Test func imagesAreEncodedToTheOriginalsLatents() throws {
    let temporary = try TemporaryFolder()
    let recorded = try NPZ.read(Self.embedded + "/decode.npz").tensors
    let images = temporary.file("images.npz")
    let levels = try #require(recorded["images_u8"])
    try NPZ.write(
      TensorArchive(tensors: ["arr_0": StoredTensor(dims: [4, 28, 28, 1], levels.bytes)]), to: images)
    func encode(_ out: String, _ options: String...) throws -> Finished {
      try halftone.run(
        ["encode", images, "--model", Self.embedded, "--out", temporary.file(out), "--executor", "float"] + options)
    }
    let finished = try encode("latents")
    #expect(finished.status == 0, "\(finished.errors)")
    #expect(finished.output == "4 latents in \(temporary.file("latents"))/latents (4 made, 0 kept)\n")
    let moments = try #require(recorded["moments"]?.floats()).channelHalves().first
    let factor = try #require(recorded["scale_factor"]).doubles()[0]
    for index in 0..<4 {
      let x = try array("\(temporary.file("latents"))/latents/000000/00000\(index).npz")
      let mean = moments.rows(index..<(index + 1))
      #expect(zip(x.values, mean.values).allSatisfy { abs(Double($0) - factor * Double($1)) < 5e-5 })
    }
    // Drawn latents are others, the same for the same seed, and told apart.
    #expect(try encode("drawn", "--seed", "7").status == 0)
    #expect(try encode("again", "--seed", "7", "--batch", "1").status == 0)
    let name = "/latents/000000/000003.npz"
    #expect(try array(temporary.file("drawn") + name) == array(temporary.file("again") + name))
    #expect(try array(temporary.file("drawn") + name) != array(temporary.file("latents") + name))
    #expect(try encode("drawn").status == 4)
    // And back: the decoder of the same model gives the recorded images.
    let back = try halftone.run(
      "decode", temporary.file("latents"), "--model", Self.embedded, "--out", temporary.file("back"), "--executor",
      "float")
    #expect(back.status == 0, "\(back.errors)")
    let expected = try #require(recorded["decoded"]?.floats())
    for (index, found) in try pixels(temporary.file("back"), 4).enumerated() {
      let image = expected.rows(index..<(index + 1)).values
      for (level, value) in zip(found, image) {
        let shown = Float(level) / 127.5 - 1
        #expect(abs(shown - min(max(value, -1), 1)) < 0.5 / 127.5 + 1e-4)
      }
    }
  }

  @Test func predictionsAreTheOriginals() throws {
    let temporary = try TemporaryFolder()
    let (input, out) = (temporary.file("x.npz"), temporary.file("y.npz"))
    let recorded = try NPZ.read(Self.codes + "/io.npz").tensors
    for (component, name, result) in [("decoder", "z", "dec"), ("encoder", "img", "enc_prequant")] {
      try NPZ.write(TensorArchive(tensors: ["x": try #require(recorded[name])]), to: input)
      let finished = try halftone.run(
        "predict", Self.codes, "--component", component, "--input", input, "--out", out, "--executor", "float")
      #expect(finished.status == 0, "\(finished.errors)")
      let expected = try #require(recorded[result]?.floats())
      #expect(zip(try array(out, "y").values, expected.values).allSatisfy { abs($0 - $1) < 5e-5 })
    }
  }

  @Test func aQuantisedModelDrawsItsImagesAlone() throws {
    let temporary = try TemporaryFolder()
    let artefact = temporary.file("q.safetensors")
    let made = try halftone.run(
      "quantize", Self.ldm, "--recipe", "rtn-w8a8", "--steps", "4", "--sampler", "own", "--out", artefact)
    #expect(made.status == 0, "\(made.errors)")
    let report = try JSON.parse(Array(try halftone.run("inspect", artefact, "--json").output.utf8), file: "report")
    #expect(report["components"] == ["denoiser", "decoder"])
    let float = try JSON.parse(Array(try halftone.run("inspect", Self.ldm, "--json").output.utf8), file: "report")
    func digest(_ report: ConfigurationValue) -> ConfigurationValue? {
      guard case .list(let networks)? = report["first_stage"]?["networks"] else { return nil }
      return networks.first { $0["component"] == "decoder" }?["digest"]
    }
    #expect(digest(report) == digest(float) && digest(float) != nil)
    let (images, latents, decoded) = (temporary.file("i"), temporary.file("l"), temporary.file("d"))
    #expect(try halftone.run("sample", artefact, "--count", "2", "--out", images).status == 0)
    #expect(try halftone.run("sample", artefact, "--count", "2", "--out", latents, "--latents-only").status == 0)
    #expect(try halftone.run("decode", latents, "--model", artefact, "--out", decoded).status == 0)
    #expect(try pixels(images, 2) == pixels(decoded, 2))
    for options in [["--weights", "ema"], ["--config", "absent"], ["--variant", "fp16"]] {
      let idle = try halftone.run(["decode", latents, "--model", artefact, "--out", decoded] + options)
      #expect(
        idle.status == 2
          && idle.errors.hasPrefix(
            "error[E-MODEL-OPTION]: \(artefact) takes no \(options[0]): a quantised model says it itself\n"),
        "\(idle.errors)")
    }
    let encoder = try halftone.run("encode", images, "--model", artefact, "--out", temporary.file("e"))
    #expect(encoder.status == 3)
    #expect(
      encoder.errors
        == "error[E-MODEL-COMPONENT]: \(artefact) has no encoder: it holds the decoder\nhint: give a latent diffusion "
        + "model, or the folder or file of its first stage\n")
    let test = try halftone.run("inspect", artefact, "--self-test")
    #expect(test.status == 0)
  }

  @Test func whatDoesNotFitIsNamedBeforeWorkBegins() throws {
    let temporary = try TemporaryFolder()
    let pipeline = temporary.file("pipeline")
    try FileManager.default.copyItem(atPath: Self.ldm, toPath: pipeline)
    // Another first stage: four channels of latents.
    let vae = pipeline + "/vqvae/config.json"
    let text = try String(contentsOfFile: vae, encoding: .utf8)
    try text.replacing("\"latent_channels\": 3", with: "\"latent_channels\": 4").write(
      toFile: vae, atomically: true, encoding: .utf8)
    let channels = try halftone.run("sample", pipeline, "--out", temporary.file("a"))
    #expect(channels.status == 3)
    #expect(
      channels.errors == """
        error[E-MODEL-COMPONENT]: \(pipeline): the denoiser works on 3 channels, and the latents of its first stage, \
        \(pipeline)/vqvae, have 4
        hint: the components must be those that were trained together

        """)
    // A configuration that contradicts its weights.
    try text.replacing("\"num_vq_embeddings\": 64", with: "\"num_vq_embeddings\": 128").write(
      toFile: vae, atomically: true, encoding: .utf8)
    let codes = try halftone.run("sample", pipeline, "--out", temporary.file("a"))
    #expect(codes.status == 3)
    #expect(
      codes.errors.contains(
        "does not fit the network:\n  quantize.embedding.weight: expected shape [128, 3], found [64, 3]\n"))
    // Sizes and options.
    try text.write(toFile: vae, atomically: true, encoding: .utf8)
    let size = try halftone.run("sample", pipeline, "--size", "17x16", "--out", temporary.file("a"))
    #expect(
      size.errors == """
        error[E-STAGE-SIZE]: --size: 17x16 is not divisible by 2, the pixels of a latent's side
        hint: crop or scale the images first

        """)
    let pixel = try halftone.run("sample", "fashion-mnist-ddpm", "--latents-only", "--out", temporary.file("a"))
    #expect(pixel.status == 3)
    #expect(pixel.errors.contains("fashion-mnist-ddpm has no decoder: it holds a denoiser alone\n"))
    #expect(!FileManager.default.fileExists(atPath: temporary.file("a")))
    // Latents.
    let file = temporary.file("z.npz")
    func decode(_ z: Tensor) throws -> Finished {
      try NPZ.write(TensorArchive(tensors: ["x": StoredTensor(z)]), to: file)
      return try halftone.run("decode", file, "--model", pipeline, "--out", temporary.file("d"))
    }
    let four = try decode(Tensor([1, 4, 8, 8]))
    #expect(
      four.errors == "error[E-STAGE-CHANNELS]: \(file) has 4 channels, and the first stage takes 3\n"
        && four.status == 3)
    var bad = Tensor([1, 3, 8, 8])
    bad.values[5] = .nan
    let nan = try decode(bad)
    #expect(nan.status == 3)
    #expect(nan.errors.contains("error[E-INPUT-VALUE]: \(file): x: nan at index 5, expected finite F32 numbers\n"))
    let folder = temporary.file("folder")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try NPZ.write(
      TensorArchive(tensors: ["x": StoredTensor(bad.reshaped([3, 8, 8]))]), to: folder + "/000000.npz")
    let inside = try halftone.run("decode", folder, "--model", pipeline, "--out", temporary.file("e"))
    #expect(inside.status == 3)
    #expect(
      inside.errors
        == "error[E-STAGE-VALUE]: \(folder)/000000.npz holds a value that is not a finite number\n")
    let seed = try halftone.run(
      "encode", pipeline, "--model", pipeline, "--seed", "1", "--out", temporary.file("f"))
    #expect(seed.status == 3 || seed.status == 2)
    let stage = try halftone.run("inspect", Self.codes)
    #expect(stage.status == 0, "\(stage.errors)")
    #expect(
      stage.output.hasPrefix(
        "first stage: CompVis autoencoder, 256 codes, images 256x256 of 3 channels, latents 64x64 of 3, latents are values "
          + "times 1.0\nencoder: "))
    #expect(stage.output.contains("| embed_dim        | 3       | inferred from the weights |"), "\(stage.output)")
  }
}
