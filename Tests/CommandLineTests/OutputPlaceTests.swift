import Formats
import Foundation
import TestSupport
import Testing

/// Results never go over what a command reads, and the same command may be repeated.
@Suite struct OutputPlaceTests {
  let halftone = Launcher()

  private func refuse(_ arguments: [String], _ place: String, _ reason: String) throws {
    let before = try Digest.sha256(file: place)
    let finished = try halftone.run(arguments)
    #expect(finished.status == 2, "\(arguments)")
    #expect(finished.errors.hasPrefix("error[E-OUT-INPUT]: \(place) is \(reason)"), "\(finished.errors)")
    #expect(try Digest.sha256(file: place) == before)
  }

  @Test func partsOfModelsAndSetsStay() throws {
    let temporary = try TemporaryFolder()
    let (model, set) = (temporary.file("model"), temporary.file("set"))
    try ModelFolderMaker.make(model)
    try Folder.create(set)
    for image in 0..<2 {
      try PNG.write(PixelImage(height: 2, width: 2, channels: 1, pixels: [1, 2, 3, 4]), to: "\(set)/\(image).png")
    }
    let (weights, config) = (model + "/unet/diffusion_pytorch_model.safetensors", model + "/unet/config.json")
    let part = "part of the input \(model), and would be written over\n"
    try refuse(["inspect", model, "--graph", config], config, part)
    try refuse(["convert", model, "--layout", "safetensors", "--out", weights], weights, part)
    try refuse(["quantize", model, "--recipe", "rtn-w8a8", "--out", weights], weights, part)
    try refuse(["predict", model, "--input", "x.npz", "--out", config], config, part)
    let image = set + "/0.png"
    try refuse(["stats", set, "--out", image], image, "part of the input \(set), and")
    try refuse(["score", set, set, "--report", image], image, "part of the input \(set), and")
    // By the folder's name, even where the file is a link out of it.
    let (kept, linked) = (temporary.file("kept.png"), set + "/1.png")
    try FileManager.default.moveItem(atPath: linked, toPath: kept)
    try FileManager.default.createSymbolicLink(atPath: linked, withDestinationPath: kept)
    try refuse(["stats", set, "--out", linked], linked, "part of the input \(set), and")
    let flags = model + "/flags.json"
    try "{}".write(toFile: flags, atomically: false, encoding: .utf8)
    try refuse(["inspect", model, "--graph", flags], flags, part)
    // What commands leave in such a folder may be made again.
    for _ in 0..<2 {
      #expect(try halftone.run("inspect", model, "--graph", model + "/graph.json").status == 0)
      let one = try halftone.run("convert", model, "--layout", "safetensors", "--out", model + "/one.safetensors")
      #expect(one.status == 0, "\(one.errors)")
    }
  }

  @Test func filesThatOtherOptionsNameStay() throws {
    let temporary = try TemporaryFolder()
    let (model, recipe) = (temporary.file("model"), temporary.file("r.yaml"))
    try ModelFolderMaker.make(model)
    try FileManager.default.copyItem(
      atPath: Launcher.checkout.appending(path: "calib/rtn-w8a8.yaml").path, toPath: recipe)
    try refuse(["calibrate", model, "--recipe", recipe, "--out", recipe], recipe, "both input and output")
    try refuse(["quantize", model, "--recipe", recipe, "--out", recipe], recipe, "both input and output")
    // The page that would stand beside the model, and its data.
    let report = temporary.file("q.report.json")
    try "{}".write(toFile: report, atomically: false, encoding: .utf8)
    try refuse(
      ["quantize", model, "--from", report, "--fix", "1", "--out", temporary.file("q.safetensors")], report,
      "both input and output")
    let scheduler = model + "/scheduler/scheduler_config.json"
    try refuse(
      ["export", model, "--format", "onnx", "--scheduler", scheduler, "--out", scheduler], scheduler,
      "both input and output")
  }

  @Test func aFolderIsNotCopiedIntoItsOwnCopyOrAPartOfItself() throws {
    let temporary = try TemporaryFolder()
    let model = temporary.file("model")
    try ModelFolderMaker.make(model)
    try "{}".write(toFile: model + "/model_index.json", atomically: false, encoding: .utf8)
    let component = model + "/vae"
    try Folder.create(component)
    try "{}".write(toFile: component + "/config.json", atomically: false, encoding: .utf8)
    let into = try halftone.run("convert", model, "--layout", "diffusers", "--out", component)
    #expect(into.status == 2, "\(into.errors)")
    #expect(
      into.errors.hasPrefix("error[E-OUT-INPUT]: \(component) is part of the input \(model), and"), "\(into.errors)")
    try FileManager.default.removeItem(atPath: component)
    for _ in 0..<2 {
      let copied = try halftone.run("convert", model, "--layout", "diffusers", "--out", model + "/copy")
      #expect(copied.status == 0, "\(copied.errors)")
      #expect(!FileManager.default.fileExists(atPath: model + "/copy/copy"))
    }
  }
}
