import Formats
import Foundation
import Tensors
import TestSupport
import Testing

/// Networks of any number of channels are sampled: what PNG holds into images, everything else into arrays.
@Suite struct ChannelTests {
  let halftone = Launcher()

  private func model(_ channels: Int, in temporary: TemporaryFolder) throws -> String {
    let folder = temporary.file("ch\(channels)")
    try ModelFolderMaker.make(folder, ModelFolderMaker.configuration(channels: channels))
    return folder
  }

  @Test(arguments: [1, 3]) func imagesAreKeptAsPNG(_ channels: Int) throws {
    let temporary = try TemporaryFolder()
    let run = temporary.file("run")
    let finished = try halftone.run(
      "sample", try model(channels, in: temporary), "--sampler", "ddim-10", "--count", "2", "--out", run)
    #expect(finished.status == 0, "\(finished.errors)")
    #expect(try PNG.read(run + "/images/000000/000001.png").channels == channels)
  }

  @Test(arguments: [2, 4, 5]) func otherSamplesAreKeptAsArrays(_ channels: Int) throws {
    let temporary = try TemporaryFolder()
    let (folder, run, again) = (try model(channels, in: temporary), temporary.file("run"), temporary.file("again"))
    let command = ["sample", folder, "--sampler", "ddim-10", "--count", "3", "--npz", "--out"]
    let finished = try halftone.run(command + [run])
    #expect(finished.status == 0, "\(finished.errors)")
    #expect(finished.output.hasPrefix("3 images in \(run)/arrays (3 drawn, 0 kept)\n"))
    let path = run + "/arrays/000000/000001.npz"
    let archive = try NPZ.read(path)
    #expect(
      archive.names.sorted() == ["halftone-index", "halftone-model", "halftone-run", "halftone-seed", "x"])
    let x = try #require(archive.tensors["x"]?.floats())
    #expect(x.dims == [channels, 8, 8])
    #expect(archive.tensors["halftone-index"]?.bytes == Array("1".utf8))
    // The whole set, channels last, and one row of grey channels for each of the three.
    let all = try #require(try NPZFile(run + "/samples.npz").tensor("arr_0").floats())
    #expect(all.dims == [3, 8, 8, channels])
    #expect(
      (0..<64).allSatisfy { pixel in
        (0..<channels).allSatisfy { all.values[(64 + pixel) * channels + $0] == x.values[$0 * 64 + pixel] }
      })
    let grid = try PNG.read(run + "/grid.png")
    let shown = (9 * channels + 1) * max(96 / max(9 * channels + 1, 10), 1)
    #expect(grid.channels == 1 && grid.width == 10 + 2 * (shown + 2))

    // A damaged, a misplaced and a missing file are drawn again, to the same values.
    let folderPath = run + "/arrays/000000/"
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    try bytes.write(to: URL(fileURLWithPath: folderPath + "000002.npz"))
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path))
    try FileManager.default.removeItem(atPath: folderPath + "000000.npz")
    let resumed = try halftone.run(command + [run])
    #expect(resumed.status == 0 && resumed.output.contains("(3 drawn, 0 kept)"), "\(resumed.errors)")
    #expect(resumed.errors.contains("its halftone-index is 1, expected 2; drawing image 2 again"))
    #expect(try halftone.run(command + [again]).status == 0)
    for name in ["000000", "000001", "000002"] {
      #expect(
        try NPZ.read(folderPath + name + ".npz").tensors["x"]
          == NPZ.read("\(again)/arrays/000000/\(name).npz").tensors["x"])
    }
    #expect(try halftone.run(command + [run]).output.contains("(0 drawn, 3 kept)"))
    #expect(try halftone.run("inspect", run).output.contains("images: 3"))
  }

  @Test func quantisedModelsOfFourChannelsAreComparedAndAblated() throws {
    let temporary = try TemporaryFolder()
    let (folder, artefact) = (try model(4, in: temporary), temporary.file("q.safetensors"))
    let made = try halftone.run("quantize", folder, "--recipe", "rtn-w8a8", "--effort", "fast", "--out", artefact, "-q")
    #expect(made.status == 0, "\(made.errors)")
    let compared = try halftone.run("compare", folder, artefact, "--count", "2", "--out", temporary.file("compare"))
    #expect(compared.status == 0 && compared.output.contains("PSNR: mean "), "\(compared.errors)")
    #expect(try PNG.read(temporary.file("compare") + "/grid.png").channels == 1)
    let perceptual = try halftone.run(
      "compare", folder, artefact, "--count", "1", "--features", "fashion-mnist-classifier", "--out",
      temporary.file("p"))
    #expect(perceptual.status == 3 && perceptual.errors.contains("error[E-FEATURES-IMAGE]"), "\(perceptual.errors)")
    let ablated = try halftone.run(
      "ablate", folder, "--recipes", "rtn-w8a8", "--effort", "fast", "--count", "2", "--seeds", "1", "--step-images",
      "1", "--out", temporary.file("ablate"))
    #expect(ablated.status == 0, "\(ablated.errors)")
    let reference = Launcher.checkout.appending(path: "models/fashion-mnist-classifier/statistics-test.npz").path
    let refused = try halftone.run(
      "ablate", folder, "--recipes", "rtn-w8a8", "--effort", "fast", "--count", "2", "--reference", reference, "--out",
      temporary.file("refused"))
    #expect(refused.status == 2 && refused.errors.contains("error[E-RUN-ARRAYS]"), "\(refused.errors)")
  }

  @Test func aPrunedBlockAndASingleLevelAreQuantised() throws {
    let temporary = try TemporaryFolder()
    let pruned = temporary.file("pruned")
    try ModelFolderMaker.make(pruned) { parameters in
      for name in parameters.keys where name.contains(".attentions.") && name.contains(".to_") {
        parameters[name] = Tensor(parameters[name]!.dims)
      }
    }
    let dead = try halftone.run(
      "quantize", pruned, "--recipe", "rtn-w8a8", "--effort", "fast", "--out", temporary.file("p.safetensors"))
    #expect(dead.status == 0, "\(dead.errors)")
    #expect(dead.errors.contains("inputs are one value throughout, as those of a pruned block are"))
    #expect(try halftone.run("inspect", temporary.file("p.safetensors"), "--self-test").status == 0)

    var configuration = ModelFolderMaker.configuration()
    (configuration.blockOutChannels, configuration.downBlocks, configuration.upBlocks) = ([4], [.plain], [.plain])
    let level = temporary.file("level")
    try ModelFolderMaker.make(level, configuration)
    let one = try halftone.run(
      "quantize", level, "--recipe", "rtn-w8a8", "--effort", "fast", "--out", temporary.file("l.safetensors"))
    #expect(one.status == 0, "\(one.errors)")
    let mixed = try halftone.run(
      "quantize", level, "--recipe", "halftone-w8a8", "--effort", "fast", "--out", temporary.file("t.safetensors"))
    #expect(mixed.status == 0, "\(mixed.errors)")
    #expect(
      mixed.errors.contains(
        "note: float_layers: **.downsamplers.**:input matches nothing, because this network has no such layers\n"))
  }
}
