import Formats
import Foundation
import Tensors
import TestSupport
import Testing
import Workbench

/// Folders of diffusers whose network looks at the row of a class table (`encoder_hidden_states` of one token).
@Suite struct ClassTableTests {
  let halftone = Launcher()
  private static let model = Launcher.checkout.appending(path: "models/fashion-mnist-ldm").path

  /// The embedded latent model's network, written as diffusers would have it.
  /// - Parameters: table: the array in class_embedder; configuration: its config.json.
  private func folder(
    _ path: String, table: [String: StoredTensor]? = nil,
    configuration: String = #"{"_class_name": "ClassEmbedder", "n_classes": 11, "embed_dim": 64, "ucg_rate": 0.15}"#
  ) throws -> String {
    let assets = try Assets.locate(
      environment: ["HALFTONE_HOME": Launcher.checkout.path], executable: "/nowhere/bin/halftone")
    let source = try ModelSource.open(Self.model, assets: assets)
    for part in ["unet", "class_embedder", "scheduler"] {
      try FileManager.default.createDirectory(atPath: "\(path)/\(part)", withIntermediateDirectories: true)
    }
    let network = """
      {"_class_name": "UNet2DConditionModel", "sample_size": 14, "in_channels": 3, "out_channels": 3,
       "block_out_channels": [64, 64], "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
       "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"], "layers_per_block": 1, "attention_head_dim": 2,
       "cross_attention_dim": 64}
      """
    let scheduler = """
      {"_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "beta_schedule": "scaled_linear", "beta_start": 0.0015,
       "beta_end": 0.0195, "clip_sample": false, "set_alpha_to_one": false, "steps_offset": 1}
      """
    for (file, text) in [
      ("unet/config.json", network), ("scheduler/scheduler_config.json", scheduler),
      ("class_embedder/config.json", configuration),
    ] {
      try text.write(toFile: "\(path)/\(file)", atomically: true, encoding: .utf8)
    }
    try Safetensors.write(
      TensorArchive(tensors: source.model.parameters.mapValues { StoredTensor($0) }),
      to: path + "/unet/diffusion_pytorch_model.safetensors")
    let rows = try #require(source.embedder).table
    try Safetensors.write(
      TensorArchive(tensors: table ?? ["embedding.weight": StoredTensor(rows)]),
      to: path + "/class_embedder/diffusion_pytorch_model.safetensors")
    return path
  }

  /// `bench` reads no weights, and draws the table as it draws the network.
  @Test func aFolderWithoutWeightsIsTimedByClass() throws {
    let temporary = try TemporaryFolder()
    let folder = try folder(temporary.file("folder"))
    for part in ["unet", "class_embedder"] {
      try FileManager.default.removeItem(atPath: "\(folder)/\(part)/diffusion_pytorch_model.safetensors")
    }
    let command = [
      "bench", folder, "--random-weights", "--quantized", "rtn-w8a8", "--batch", "2", "--threads", "1", "--repeat", "1",
      "--quiet",
    ]
    let finished = try halftone.run(command)
    #expect(finished.status == 0 && finished.output.contains("| rtn-w8a8 |"), "\(finished.errors)")
    try #"{"_class_name": "ClassEmbedder", "n_classes": 11, "embed_dim": 32}"#.write(
      toFile: folder + "/class_embedder/config.json", atomically: true, encoding: .utf8)
    let refused = try halftone.run(command)
    #expect(refused.status == 3)
    #expect(refused.errors.contains("the network looks at contexts of 64 channels"), "\(refused.errors)")
  }

  @Test func theFolderIsTheSameModelAsTheCheckpoint() throws {
    let temporary = try TemporaryFolder()
    let folder = try folder(temporary.file("folder"))
    let arrays = try NPZ.read(Fixtures.path("latent/io.npz")).tensors
    let input = temporary.file("in.npz")
    try NPZ.write(
      TensorArchive(tensors: ["x": "x", "t": "t", "labels": "label"].compactMapValues { arrays[$0] }), to: input)
    var results: [StoredTensor] = []
    for model in [Self.model, folder] {
      let out = temporary.file("\(results.count).npz")
      let run = try halftone.run("predict", model, "--input", input, "--out", out)
      #expect(run.status == 0, "\(run.errors)")
      results.append(try #require(NPZ.read(out).tensors["y"]))
    }
    #expect(results[0] == results[1])
    let described = try halftone.run("inspect", folder)
    #expect(
      described.output.contains("11 classes through a context of 64 channels, of which 10 stands for none"),
      "\(described.output)\(described.errors)")
    // Labels are balanced over the ten classes, and the row that stands for none guides.
    let sampled = try halftone.run(
      "sample", folder, "--steps", "2", "--count", "2", "--guidance", "1.5", "--out", temporary.file("run"))
    #expect(sampled.status == 0, "\(sampled.errors)")
    let unguided = try halftone.run(
      "sample", folder, "--steps", "2", "--count", "2", "--guidance", "1.5", "--unconditional", "none", "--out",
      temporary.file("none"))
    #expect(unguided.status != 0 && unguided.errors.contains("--guidance"), "\(unguided.errors)")
    // The copy of a folder has its table.
    let copy = temporary.file("copy")
    #expect(try halftone.run("convert", folder, "--out", copy, "--layout", "diffusers").status == 0)
    #expect(try halftone.run("inspect", copy).output.contains("11 classes through a context of 64 channels"))
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let temporary = try TemporaryFolder()
    var number = 0
    func refusal(_ table: [String: StoredTensor]? = nil, _ configuration: String? = nil) throws -> String {
      number += 1
      let path = temporary.file("folder\(number)")
      let made =
        try configuration.map { try folder(path, table: table, configuration: $0) } ?? folder(path, table: table)
      let finished = try halftone.run("inspect", made)
      #expect(finished.status == 3, "\(finished.output)")
      return finished.errors.replacing(path, with: "FOLDER")
    }
    func array(_ dims: [Int], _ value: Float = 0) -> StoredTensor { StoredTensor(Tensor(dims, repeating: value)) }
    let bare = #"{"_class_name": "ClassEmbedder"}"#
    let prefix = "error[E-MODEL-CONTEXT]: FOLDER/class_embedder: "
    #expect(
      try refusal(["embedding.weight": array([11, 32])], bare).hasPrefix(
        prefix + "the network looks at contexts of 64 channels, found rows of 32 channels\n"))
    #expect(
      try refusal(["embedding.weight": array([12, 64])]).hasPrefix(
        prefix + "config.json says 11 classes of 64 channels, found shape [12, 64]\n"))
    #expect(
      try refusal(["embedding.weight": array([64])], bare).hasPrefix(
        prefix + "expected embedding.weight of classes and channels, found shape [64]\n"))
    #expect(
      try refusal(["embedding.weight": array([11, 64]), "bias": array([64])]).hasPrefix(
        prefix + "expected one array called embedding.weight, found bias, embedding.weight\n"))
    #expect(try refusal(["embedding.weight": array([11, 64], .nan)]).contains("E-WEIGHTS"))
    #expect(try refusal(nil, #"{"_class_name": "Embedding"}"#).contains("_class_name: expected \"ClassEmbedder\""))

    let path = try folder(temporary.file("folder"))
    let row = try halftone.run("inspect", path, "--unconditional", "11")
    #expect(row.errors.contains("--unconditional 11, found rows 0 to 10"), "\(row.errors)")
    try FileManager.default.removeItem(atPath: path + "/class_embedder/config.json")
    try #"{"unet": ["diffusers", "UNet2DConditionModel"], "class_embedder": ["module", "ClassEmbedder"]}"#
      .write(toFile: path + "/model_index.json", atomically: true, encoding: .utf8)
    let missing = try halftone.run("inspect", path)
    #expect(missing.errors.contains("error[E-MODEL-COMPONENT]: ") && missing.errors.contains(" class_embedder, and "))
  }
}
