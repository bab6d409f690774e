import Exports
import Formats
import Foundation
import Tensors
import TestSupport
import Testing
import Workbench

/// `halftone export`: from the command to files that are read back. What other programs compute from them is checked by
/// `make test-exports`.
@Suite(.serialized) struct ExportTests {
  let halftone = Launcher()
  private static let latent = Launcher.checkout.appending(path: "models/fashion-mnist-ldm").path
  private static let recipe = """
    method: tfmq
    weights:
      bits: 4
      symmetric: false
      range: min_max
      rounding: nearest
      bias_correction: false
    activations: {bits: 8, symmetric: false, range: min_max, ema: none, upstream: float, attention_products: quantized}
    adaptive_ranges: none
    activation_tables: TABLES
    temporal_features: computed
    split_inputs: none
    smoothing: none
    reconstruction: none
    mixed_precision: none
    correction: none
    sampler: ddim-10
    calibration: {distribution: uniform, every: 1, trajectories: 2, seed: 0, labels: balanced}
    float_layers: [conv_in, conv_out]
    """

  /// A small model folder and what was quantised from it.
  private func models(_ temporary: TemporaryFolder, tables: String) throws -> (float: String, quantized: String) {
    let (float, quantized) = (temporary.file("float"), temporary.file("\(tables).safetensors"))
    try ModelFolderMaker.make(float)
    let recipe = temporary.file("\(tables).yaml")
    try Self.recipe.replacing("TABLES", with: tables).write(toFile: recipe, atomically: true, encoding: .utf8)
    let made = try halftone.run("quantize", float, "--recipe", recipe, "--out", quantized, "-q")
    #expect(made.status == 0, "\(made.errors)")
    return (float, quantized)
  }

  private func parsed(_ path: String) throws -> Onnx_ModelProto {
    try Onnx_ModelProto(serializedBytes: Data(contentsOf: URL(fileURLWithPath: path)))
  }

  private func metadata(_ model: Onnx_ModelProto) -> [String: String] {
    Dictionary(uniqueKeysWithValues: model.metadataProps.map { ($0.key, $0.value) })
  }

  @Test func aFloatModelIsOneGraph() throws {
    let temporary = try TemporaryFolder()
    let (float, out) = (temporary.file("float"), temporary.file("float.onnx"))
    try ModelFolderMaker.make(float)
    let finished = try halftone.run("export", float, "--format", "onnx", "--out", out)
    #expect(finished.status == 0 && finished.errors.isEmpty, "\(finished.errors)")
    let model = try parsed(out)
    let size = shown(bytes: try InputFile(out).size)
    #expect(
      finished.output == "\(out): \(size), \(model.graph.node.count) nodes, "
        + "\(model.graph.initializer.count) arrays, inputs x, t\n")
    #expect(model.producerName == "halftone")
    let found = metadata(model)
    #expect(found["halftone.form"] == "float" && found["halftone.component"] == "denoiser")
    #expect(found["halftone.process"]?.contains("\"beta_schedule\"") == true)
    let over = try halftone.run("export", out, "--format", "onnx", "--out", out)
    #expect(over.status == 2 && over.errors.hasPrefix("error[E-OUT-INPUT]: \(out) is both input and output\n"))
    // Equal bytes every time.
    let again = temporary.file("again.onnx")
    #expect(try halftone.run("export", float, "--format", "onnx", "--out", again, "-q").status == 0)
    #expect(try Digest.sha256(file: again) == Digest.sha256(file: out))
  }

  @Test func aFolderWithoutWeightsIsExportedWithDrawnOnes() throws {
    let temporary = try TemporaryFolder()
    let (float, bare, out) = (temporary.file("float"), temporary.file("bare"), temporary.file("random.onnx"))
    try ModelFolderMaker.make(float)
    try ModelFolderMaker.make(bare, weights: false)
    let refused = try halftone.run("export", bare, "--format", "onnx", "--out", out)
    #expect(refused.errors.hasPrefix("error[E-WEIGHTS-NONE]: \(bare)/unet: holds no weights\n"), "\(refused.errors)")
    #expect(refused.status == 3 && !FileManager.default.fileExists(atPath: out))
    let finished = try halftone.run("export", bare, "--format", "onnx", "--out", out, "--random-weights")
    #expect(finished.status == 0 && finished.errors.isEmpty, "\(finished.errors)")
    let whole = temporary.file("whole.onnx")
    #expect(try halftone.run("export", float, "--format", "onnx", "--out", whole, "-q").status == 0)
    let (drawn, read) = (try parsed(out).graph, try parsed(whole).graph)
    #expect(drawn.node.map(\.opType) == read.node.map(\.opType))
    #expect(drawn.initializer.map(\.dims) == read.initializer.map(\.dims))
    #expect(drawn.initializer != read.initializer)
  }

  @Test func stepsOfAQuantisedModelAreAnInputOrConstants() throws {
    let temporary = try TemporaryFolder()
    let (_, quantized) = try models(temporary, tables: "all")
    let out = temporary.file("q.onnx")
    let whole = try halftone.run("export", quantized, "--format", "onnx", "--out", out, "--json", "-q")
    #expect(whole.status == 0, "\(whole.errors)")
    let report = try JSON.parse(Array(whole.output.utf8), file: "report")
    #expect(report["contents"]?["inputs"] == ["x", "t", "step"])
    let model = try parsed(out)
    #expect(metadata(model)["halftone.timesteps"] == "[900.0,800.0,700.0,600.0,500.0,400.0,300.0,200.0,100.0,0.0]")
    #expect(model.graph.initializer.contains { $0.dataType == .int4 })
    #expect(try halftone.run("export", quantized, "--format", "onnx", "--out", out, "--steps", "3", "-q").status == 0)
    #expect(metadata(try parsed(out))["halftone.timesteps"] == "[600.0]")
    #expect(try parsed(out).graph.input.map(\.name) == ["x", "t"])
    let beyond = try halftone.run("export", quantized, "--format", "onnx", "--out", out, "--steps", "8-10")
    #expect(beyond.status == 2)
    #expect(beyond.errors == "error[E-EXPORT-STEPS]: --steps 8-10: \(quantized) has tables for the steps 0-9\n")
  }

  @Test func optionsThatSayNothingAreRefused() throws {
    let temporary = try TemporaryFolder()
    let (float, quantized) = try models(temporary, tables: "shared")
    let out = temporary.file("x.onnx")
    func refusal(_ arguments: String...) throws -> String {
      let finished = try halftone.run(["export"] + arguments + ["--out", out])
      return "\(finished.status) \(finished.errors)"
    }
    #expect(
      try refusal(float, "--format", "onnx", "--qdq") == """
        2 error[E-MODEL-ROLE]: 'export --qdq' needs a quantised model; \(float) is a float model
        hint: make one with 'halftone quantize'

        """)
    #expect(
      try refusal(quantized, "--format", "onnx", "--steps", "1").hasSuffix(
        "\(quantized) takes no --steps: nothing that is exported depends on the sampling step\n"))
    #expect(
      try refusal(quantized, "--format", "onnx", "--float", "--byte-weights").hasSuffix(
        "\(quantized) takes no --byte-weights: no weights are exported as integers\n"))
    #expect(try refusal(quantized, "--format", "npz", "--float").contains("--float belongs to --format onnx"))
    #expect(try refusal(quantized, "--format", "onnx", "--float", "--qdq").contains("exclude each other"))
    #expect(
      try refusal(quantized, "--format", "diffusers", "--component", "decoder").contains(
        "--component belongs to --format onnx and npz"))
    #expect(
      try refusal(quantized, "--format", "onnx", "--random-weights").hasPrefix(
        "2 error[E-MODEL-ROLE]: 'export --random-weights' needs a float model; "))
    #expect(
      try refusal(float, "--format", "npz", "--random-weights").contains(
        "--random-weights belongs to --format onnx, without --component"))
    #expect(
      try refusal(float, "--format", "onnx", "--component", "decoder").contains(
        "has no decoder: it holds a denoiser alone"))
    #expect(try refusal(float, "--format", "npz").contains("'export --format npz' needs a quantised model"))
    #expect(!FileManager.default.fileExists(atPath: out))
  }

  @Test("a folder of the values that codes stand for computes what they do") func foldersHaveTheCodesValues() throws {
    let temporary = try TemporaryFolder()
    let (_, quantized) = try models(temporary, tables: "shared")
    let folder = temporary.file("folder")
    let finished = try halftone.run("export", quantized, "--format", "diffusers", "--out", folder)
    #expect(finished.status == 0)
    #expect(
      finished.errors == "note: the folder has the values that weights' codes stand for; activations are float there\n")
    let codes = temporary.file("codes.npz")
    #expect(try halftone.run("export", quantized, "--format", "npz", "--out", codes).status == 0)
    let archive = try NPZ.read(codes).tensors
    let written = try Safetensors.read(folder + "/unet/diffusion_pytorch_model.safetensors").tensors
    let layer = "mid_block.resnets.0.conv1"
    let values = try #require(written[layer + ".weight"]?.floats())
    let rows = try #require(archive["weights/\(layer)/codes"])
    let scales = try #require(archive["weights/\(layer)/scales"]?.floats())
    let zeros = try #require(archive["weights/\(layer)/zero_points"]?.integers(Int16.self))
    let length = values.count / values.dims[0]
    #expect(rows.dims == values.dims && scales.dims == [values.dims[0], 1])
    let expected = rows.bytes.enumerated().map { position, code in
      scales.values[position / length] * Float(Int(code) - Int(zeros[position / length]))
    }
    #expect(values.values == expected)
    #expect(archive["activations/\(layer):input/scales"]?.dims == [1, 1])
    #expect(archive["parameters/conv_in.weight"] == written["conv_in.weight"])
    for input in ["", "/unet", "/unet/diffusion_pytorch_model.safetensors"].map({ folder + $0 }) {
      let over = try halftone.run("export", input, "--format", "diffusers", "--out", folder)
      #expect(over.status == 2 && over.errors.hasPrefix("error[E-OUT-INPUT]: \(input) is "), "\(over.errors)")
    }
    // And it is a model.
    let sampled = try halftone.run(
      "sample", folder, "--count", "1", "--sampler", "ddim-10", "--out", temporary.file("run"))
    #expect(sampled.status == 0, "\(sampled.errors)")
  }

  @Test func decodersAndLabelledDenoisersAreExported() throws {
    let temporary = try TemporaryFolder()
    let out = temporary.file("m.onnx")
    #expect(
      try halftone.run("export", Self.latent, "--format", "onnx", "--component", "decoder", "--out", out).status == 0)
    let decoder = try parsed(out).graph
    #expect(decoder.input.map(\.name) == ["x"])
    #expect(decoder.output.first?.type.tensorType.shape.dim.map(\.dimValue) == [0, 1, 28, 28])
    #expect(metadata(try parsed(out))["halftone.latent_scale"]?.hasPrefix("0.273") == true)
    #expect(try halftone.run("export", Self.latent, "--format", "onnx", "--out", out).status == 0)
    #expect(try parsed(out).graph.input.map(\.name) == ["x", "t", "label"])
    #expect(metadata(try parsed(out))["halftone.unconditional_label"] == "10")
  }
}
