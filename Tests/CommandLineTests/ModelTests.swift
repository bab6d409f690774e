import Formats
import Foundation
import Tensors
import TestSupport
import Testing

/// What the program makes of model folders: good, incomplete and foreign ones.
@Suite struct ModelTests {
  let halftone = Launcher()
  private static let classModel = Fixtures.golden("unet-class-scale-shift")

  @Test func predictionAgreesWithPyTorch() throws {
    let temporary = try TemporaryFolder()
    let folder = Launcher.checkout.appending(path: "models/fashion-mnist-ddpm").path
    let golden = try #require(try NPZFile(folder + "/io.npz").tensor("y").floats())
    // Float executors promise 1e-4 relative, the reference 1e-5.
    for (executor, tolerance) in [("float", 1e-4), ("reference", 1e-5)] {
      let out = temporary.file("\(executor).npz")
      let finished = try halftone.run(
        "predict", "fashion-mnist-ddpm", "--input", folder + "/io.npz", "--out", out, "--executor", executor)
      #expect(finished.status == 0, "\(finished.errors)")
      #expect(finished.output == "\(out): y [4, 1, 28, 28], \(executor) executor\n")
      let y = try #require(try NPZFile(out).tensor("y").floats())
      #expect(relativeError(y, golden) < tolerance)
    }
  }

  @Test func predictionSaysWhatItDoesNotUse() throws {
    let temporary = try TemporaryFolder()
    let model = temporary.file("model")
    try ModelFolderMaker.make(model)
    let (input, out) = (temporary.file("input.npz"), temporary.file("y.npz"))
    func predicted(_ t: StoredTensor, _ options: String...) throws -> (errors: String, bytes: Data?) {
      let x = StoredTensor(Tensor([1, 1, 8, 8], (0..<64).map { Float($0) / 64 }))
      try NPZ.write(TensorArchive(tensors: ["x": x, "t": t]), to: input)
      let finished = try halftone.run(["predict", model, "--input", input, "--out", out] + options)
      defer { try? FileManager.default.removeItem(atPath: out) }
      return (finished.errors, FileManager.default.contents(atPath: out))
    }
    let signed = try predicted(StoredTensor(dims: [1], [500] as [Int64]))
    let unsigned = try predicted(StoredTensor(type: .u64, dims: [1], bytes: [244, 1, 0, 0, 0, 0, 0, 0]))
    #expect(signed.bytes != nil && signed.bytes == unsigned.bytes)
    let time = StoredTensor(dims: [1], [999] as [Int64])
    for option in [["--beta-start", "0.1"], ["--step", "0"]] {
      let idle = try predicted(time, option[0], option[1])
      #expect(
        idle.bytes == nil && idle.errors.hasPrefix("error[E-MODEL-OPTION]: \(model) takes no \(option[0]): "),
        "\(idle.errors)")
    }
    for (number, found) in [(1000, "1000.0"), (-1, "-1.0")] as [(Int64, String)] {
      #expect(
        try predicted(StoredTensor(dims: [1], [number])).errors
          == "error[E-INPUT-VALUE]: \(input): t: \(found) at index 0, expected 0 or more and below 1000\n")
    }
    #expect(
      try predicted(StoredTensor(type: .bool, dims: [1], bytes: [1])).errors
        == "error[E-INPUT-VALUE]: \(input): t: holds truth values, expected numbers\n")
  }

  @Test func classConditionalModelsTakeLabels() throws {
    let temporary = try TemporaryFolder()
    let options = [
      "sample", Self.classModel, "--scheduler", QuantizeTests.scheduler, "--sampler", "ddim-10", "--count", "2",
    ]
    let (zero, one) = (temporary.file("zero"), temporary.file("one"))
    #expect(try halftone.run(options + ["--labels", "0", "--out", zero, "--npz"]).status == 0)
    #expect(try halftone.run(options + ["--labels", "1", "--out", one]).status == 0)
    let name = "/images/000000/000000.png"
    #expect(try PNG.read(zero + name).pixels != PNG.read(one + name).pixels)
    #expect(try NPZFile(zero + "/samples.npz").tensor("arr_1").doubles() == [0, 0])
    let refused = try halftone.run(options + ["--labels", "0,99", "--out", temporary.file("bad")])
    #expect(refused.status == 3)
    #expect(refused.errors.hasPrefix("error[E-EXECUTE]: label 99 is outside 0..<"))
  }

  @Test func incompleteFoldersAreNamed() throws {
    let temporary = try TemporaryFolder()
    let empty = temporary.file("empty")
    try FileManager.default.createDirectory(atPath: empty, withIntermediateDirectories: true)
    let cases: [(String, String)] = [
      (
        empty,
        """
        error[E-MODEL-CONFIG]: \(empty) holds neither unet/config.json nor config.json
        hint: give a diffusers folder, or the folder of its U-Net

        """
      )
    ]
    for (folder, message) in cases {
      let finished = try halftone.run("inspect", folder)
      #expect(finished.status == 3)
      #expect(finished.errors == message)
    }
  }

  @Test func missingWeightsAndLatentPipelinesAreRefusedByName() throws {
    let temporary = try TemporaryFolder()
    let unet = temporary.file("pipeline/unet")
    try FileManager.default.createDirectory(atPath: unet, withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: Self.classModel + "/config.json", toPath: unet + "/config.json")
    try FileManager.default.copyItem(
      atPath: QuantizeTests.scheduler, toPath: temporary.file("pipeline/scheduler_config.json"))
    let missing = try halftone.run("inspect", temporary.file("pipeline"))
    #expect(missing.status == 3)
    #expect(missing.errors.hasPrefix("error[E-WEIGHTS-NONE]: \(unet): holds no weights\nhint: expected is "))
    try Data().write(to: URL(fileURLWithPath: unet + "/diffusion_pytorch_model.bin"))
    let empty = try halftone.run("inspect", temporary.file("pipeline"))
    #expect(empty.status == 3)
    #expect(
      empty.errors.hasPrefix("error[E-WEIGHTS-KIND]: \(unet)/diffusion_pytorch_model.bin: the file is empty\n"))
    try #"{"_class_name": "LDMPipeline", "vqvae": ["diffusers", "VQModel"], "unet": ["diffusers", "UNet2DModel"]}"#
      .write(
        toFile: temporary.file("pipeline/model_index.json"), atomically: true, encoding: .utf8)
    let latent = try halftone.run("inspect", temporary.file("pipeline"))
    #expect(latent.status == 3)
    #expect(
      latent.errors.hasPrefix(
        "error[E-MODEL-COMPONENT]: \(temporary.file("pipeline"))/model_index.json names the component vqvae, and "
          + "\(temporary.file("pipeline"))/vqvae/config.json is not there\n"
      ))
  }
}
