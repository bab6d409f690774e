import Formats
import Foundation
import Tensors
import TestSupport
import Testing

/// `halftone convert`, and models whose weights stand in other containers than one plain safetensors file.
@Suite struct ConvertTests {
  let halftone = Launcher()

  private func checkpoint(_ name: String) -> String { Fixtures.path("checkpoints/" + name) }
  private func example(_ name: String) -> String { Fixtures.path("cases/" + name) }

  /// A pipeline with both sets of weights, which differ.
  private func pipelineOfBoth(in temporary: TemporaryFolder) throws -> String {
    let copy = temporary.file("pipeline")
    try FileManager.default.copyItem(atPath: example("non-ema-silent/pipeline"), toPath: copy)
    let path = copy + "/unet/diffusion_pytorch_model.safetensors"
    var archive = try Safetensors.read(path)
    let bias = try #require(archive.tensors["conv_out.bias"]?.floats())
    archive.tensors["conv_out.bias"] = StoredTensor(Tensor(bias.dims, bias.values.map { $0 + 0.5 }))
    try Safetensors.write(archive, to: path)
    return copy
  }

  @Test func trainingCheckpointsBecomeOneFile() throws {
    let temporary = try TemporaryFolder()
    let (input, out) = (checkpoint("f1-ddim-trainlist/ckpt.pth"), temporary.file("unet.safetensors"))
    let finished = try halftone.run("convert", input, "--out", out)
    #expect(finished.status == 0)
    #expect(finished.output == "\(out): 146 arrays, 2.10 MB, F32, every value as it was\n")
    #expect(
      finished.errors == """
        note: took the EMA weights; the file has raw ones, too, for --weights raw
        note: stripped the prefix module. from the names
        note: set apart: optimizer (8 arrays)
        note: not read: [1], [2], [3]

        """)
    let (source, written) = (try Checkpoint(input).weights, try SafetensorsFile(out))
    #expect(written.entries == source.entries)
    for entry in source.entries { #expect(try written.read(entry.name) == source.read(entry.name)) }
    // A converted file is a checkpoint again.
    let again = temporary.file("again.safetensors")
    #expect(try halftone.run("convert", out, "--out", again, "-q").errors.isEmpty)
    #expect(try Digest.sha256(file: again) == Digest.sha256(file: out))
  }

  @Test func roundingIsMeasured() throws {
    let temporary = try TemporaryFolder()
    let out = temporary.file("half.safetensors")
    let finished = try halftone.run(
      "convert", checkpoint("f1-ddim-cifar/model-790000.ckpt"), "--out", out, "--dtype", "f16", "--json")
    #expect(finished.status == 0, "\(finished.errors)")
    guard case .map(let report) = try JSON.parse(Array(finished.output.utf8), file: "report"),
      case .list(let files)? = report.first(where: { $0.key == "files" })?.value, let file = files.first
    else {
      Issue.record("\(finished.output)")
      return
    }
    #expect(file["types"] == .list([.string("F16")]))
    guard case .integer(let rounded)? = file["values_rounded"], case .integer(let values)? = file["values"],
      case .number(let error)? = file["largest_error"]
    else {
      Issue.record("\(finished.output)")
      return
    }
    // Of random weights nearly all are rounded, by at most half a unit in the last place of values below 4.
    #expect(rounded > values * 9 / 10 && error > 0 && error <= 0x1p-10)
    let source = try Checkpoint(checkpoint("f1-ddim-cifar/model-790000.ckpt")).weights
    let (exact, half) = try (
      source.read("conv_in.weight").floats(), SafetensorsFile(out).tensor("conv_in.weight").floats()
    )
    #expect(try #require(half).values == #require(exact).values.map { Float(Float16($0)) })
  }

  @Test func valuesBeyondTheTypeAreRefusedByName() throws {
    let temporary = try TemporaryFolder()
    let (input, out) = (temporary.file("a.safetensors"), temporary.file("b.safetensors"))
    try Safetensors.write(
      TensorArchive(tensors: [
        "a.w": StoredTensor(Tensor([3], [1, 70_000, -1e9])), "b.w": StoredTensor(Tensor([1], [65_520])),
        "c.w": StoredTensor(Tensor([1], [65_504])),
      ]), to: input)
    let finished = try halftone.run("convert", input, "--out", out, "--dtype", "f16")
    #expect(finished.status == 3)
    #expect(
      finished.errors == """
        error[E-CONVERT-OVERFLOW]: \(input): values beyond the range of F16:
          a.w: 2 values
          b.w: 1 value
        hint: take --dtype bf16 or f32

        """)
    #expect(Folder.kind(of: out) == nil)
  }

  @Test func foldersAreCopiedWithTheirWeights() throws {
    let temporary = try TemporaryFolder()
    let (input, out) = (try pipelineOfBoth(in: temporary), temporary.file("out"))
    let finished = try halftone.run("convert", input, "--out", out)
    #expect(finished.status == 0)
    #expect(
      finished.errors
        == "note: took the EMA weights in \(input)/unet_ema; the raw ones in unet are there for --weights raw\n")
    for name in ["model_index.json", "scheduler/scheduler_config.json", "unet/config.json"] {
      #expect(try InputFile(out + "/" + name).contents() == InputFile(input + "/" + name).contents())
    }
    #expect(Folder.kind(of: out + "/unet_ema") == nil)
    let weights = "/unet/diffusion_pytorch_model.safetensors"
    let averaged = try Safetensors.read(input + "/unet_ema/diffusion_pytorch_model.safetensors")
    #expect(try Safetensors.read(out + weights).tensors == averaged.tensors)
    #expect(try halftone.run("convert", input, "--out", out, "--weights", "raw").status == 0)
    #expect(try Safetensors.read(out + weights).tensors == Safetensors.read(input + weights).tensors)
    // The copy is a model.
    #expect(try halftone.run("inspect", out).status == 0)
  }

  @Test("a checkpoint of another program is the same model as a diffusers folder") func checkpointsBecomeFolders()
    throws
  {
    let temporary = try TemporaryFolder()
    let name = "f2-guided-legacy-updown-class"
    let (input, folder) = (checkpoint(name + "/64x64_diffusion_like.pt"), temporary.file("folder"))
    let converted = try halftone.run("convert", input, "--layout", "diffusers", "--out", folder)
    #expect(converted.status == 0, "\(converted.errors)")
    let arrays = try NPZ.read(checkpoint(name + "/io.npz")).tensors
    let operands = temporary.file("operands.npz")
    var given = arrays.filter { ["x", "t"].contains($0.key) }
    given["labels"] = arrays["y"]
    try NPZ.write(TensorArchive(tensors: given), to: operands)
    var results: [StoredTensor] = []
    for model in [input, folder] {
      let out = temporary.file("y-\(results.count).npz")
      let run = try halftone.run("predict", model, "--input", operands, "--out", out)
      #expect(run.status == 0, "\(run.errors)")
      results.append(try #require(NPZ.read(out).tensors["y"]))
    }
    #expect(results[0] == results[1])
    // And its own sampler, which recomputes epsilon, draws the same image.
    let images = try [input, folder].map { model in
      let out = temporary.file("run-\(model == folder)")
      let run = try halftone.run("sample", model, "--count", "1", "--steps", "3", "--out", out)
      #expect(run.status == 0, "\(run.errors)")
      return try PNG.read(out + "/images/000000/000000.png").pixels
    }
    #expect(images[0] == images[1])
  }

  @Test func whatCannotBeWrittenIsRefused() throws {
    let temporary = try TemporaryFolder()
    let file = checkpoint("f1-ddim-cifar/model-790000.ckpt")
    func refusal(_ arguments: String...) throws -> String {
      let finished = try halftone.run(["convert"] + arguments)
      return "\(finished.status) \(finished.errors)"
    }
    let wide = try refusal(file, "--out", temporary.file("d"), "--layout", "diffusers")
    #expect(
      wide.contains(
        "has what diffusers' UNet2DModel cannot: a first convolution of 32 channels before a level of 64\n"), "\(wide)")
    let odd = checkpoint("f2-guided-neworder/lsun_like.pt")
    let refused = try refusal(odd, "--out", temporary.file("d"), "--layout", "diffusers")
    #expect(refused.contains("3 error[E-CONVERT-LAYOUT]: \(odd) has what diffusers' UNet2DModel cannot: "))
    #expect(refused.contains("attention heads of different widths, "))
    #expect(refused.contains("hint: 'halftone convert --layout safetensors' writes one file of them\n"))
    #expect(!FileManager.default.fileExists(atPath: temporary.file("d")))
    #expect(try refusal(file, "--out", file).hasPrefix("2 error[E-OUT-INPUT]: \(file) is both input and output\n"))
    #expect(
      try refusal(file, "--out", temporary.path)
        .hasPrefix("2 error[E-CONVERT-OUT]: \(temporary.path): expected a file to write to, found a folder\n"))
    for option in [["--heads", "7"], ["--config", "absent"], ["--beta-start", "0.3"], ["--variant", "fp16"]] {
      let idle = try halftone.run(["convert", file, "--out", temporary.file("w.safetensors")] + option)
      #expect(
        idle.status == 2
          && idle.errors.hasPrefix("error[E-MODEL-OPTION]: \(file) takes no \(option[0]): its arrays are written as"),
        "\(idle.errors)")
    }
    let artefact = temporary.file("q.safetensors")
    try Safetensors.write(
      TensorArchive(tensors: ["a.w": StoredTensor(Tensor([1], [1]))], metadata: ["halftone": "{}"]), to: artefact)
    #expect(
      try refusal(artefact, "--out", temporary.file("o.safetensors")).hasPrefix(
        "3 error[E-CONVERT-QUANTIZED]: \(artefact)"))
  }

  // MARK: Models in other containers

  @Test(arguments: ["weights-naming/fp16-variant", "weights-naming/bin", "weights-f64/model", "metadata-null/model"])
  func modelsInOtherContainersRun(_ name: String) throws {
    let temporary = try TemporaryFolder()
    let finished = try halftone.run(
      "sample", example(name), "--count", "1", "--sampler", "ddim-10", "--out", temporary.file("run"))
    #expect(finished.status == 0, "\(finished.errors)")
    let note = finished.errors.split(separator: "\n").first { $0.hasPrefix("note: ") }
    switch name {
    case "weights-naming/fp16-variant":
      #expect(note == "note: took diffusion_pytorch_model.fp16.safetensors, the only weights in \(example(name))/unet")
    case "weights-f64/model": #expect(note?.hasPrefix("note: F64, rounded to F32 where it runs: ") == true)
    default: #expect(note == nil)
    }
  }

  /// Compiled models carry a prefix; container and prefix change nothing.
  @Test func prefixesAndContainersDoNotChangeAModel() throws {
    let temporary = try TemporaryFolder()
    let plain = example("non-ema-silent/pipeline")
    let source = try Safetensors.read(plain + "/unet/diffusion_pytorch_model.safetensors")
    let copy = temporary.file("compiled")
    try FileManager.default.copyItem(atPath: plain, toPath: copy)
    try FileManager.default.removeItem(atPath: copy + "/unet_ema")
    var prefixed = TensorArchive()
    for (name, tensor) in source.tensors { prefixed.tensors["_orig_mod." + name] = tensor }
    try Safetensors.write(prefixed, to: copy + "/unet/diffusion_pytorch_model.safetensors")
    let (one, two) = (
      try halftone.run("inspect", plain, "--weights", "raw", "--json"), try halftone.run("inspect", copy, "--json")
    )
    guard one.status == 0, two.status == 0 else {
      Issue.record("\(one.errors)\(two.errors)")
      return
    }
    let (first, second) = (
      try JSON.parse(Array(one.output.utf8), file: "1"), try JSON.parse(Array(two.output.utf8), file: "2")
    )
    #expect(first["digest"] != nil && first["digest"] == second["digest"])
    #expect(second["notes"] == .list([.string("stripped the prefix _orig_mod. from the names")]))
  }

  /// Averaged weights beside others are used, and that is said.
  @Test func averagedWeightsAreNeverSilent() throws {
    let temporary = try TemporaryFolder()
    let pipeline = try pipelineOfBoth(in: temporary)
    func sample(_ options: [String], _ name: String) throws -> (errors: String, image: [UInt8]) {
      let out = temporary.file(name)
      let finished = try halftone.run(
        ["sample", pipeline, "--count", "1", "--sampler", "ddim-10", "--out", out] + options)
      return (finished.errors, try PNG.read(out + "/images/000000/000000.png").pixels)
    }
    let averaged = try sample([], "averaged")
    #expect(
      averaged.errors.contains(
        "note: took the EMA weights in \(pipeline)/unet_ema; the raw ones in unet are there for --weights raw\n"))
    let raw = try sample(["--weights", "raw"], "raw")
    #expect(raw.errors.contains("note: took the raw weights in \(pipeline)/unet; EMA weights stand in unet_ema\n"))
    #expect(averaged.image != raw.image)
  }

  @Test func whatStandsInPlaceOfWeightsIsNamed() throws {
    let model = example("lfs-pointer/model")
    let pointer = try halftone.run("inspect", model)
    #expect(pointer.status == 3)
    #expect(
      pointer.errors == """
        error[E-WEIGHTS-KIND]: \(model)/unet/diffusion_pytorch_model.safetensors: a Git LFS pointer, which stands for a file of \
        741000 bytes, not the file itself
        hint: fetch the file with 'git lfs pull', or download it from the page that shows it

        """)
    let index = try halftone.run("sample", model + "/model_index.json", "--count", "1", "--out", "never")
    #expect(
      index.errors == """
        error[E-WEIGHTS-KIND]: \(model)/model_index.json: JSON text, not weights
        hint: give the folder that holds it, or the file of weights beside it

        """)
  }

  /// A pickle of fifty thousand tuples within one another once overflowed the stack.
  @Test func nestedPicklesAreRefused() throws {
    let images = example("pickle-nested-tuples/imgs.npy")
    let deep = example("pickle-nested-tuples/deep.pth")
    let finished = try halftone.run("fid", images, images, "--features", "inception=" + deep, "-q")
    #expect(finished.status == 3)
    #expect(
      finished.errors == "error[E-PT-LIMIT]: \(deep): tuples within tuples, at byte 67, over the limit of 64\n")
  }
}
