import Formats
import Foundation
import Tensors
import TestSupport
import Testing

/// Scores on features of the FID network, with weights that are a formula, as a user would ask for them.
@Suite(.serialized) struct InceptionScoringTests {
  private let halftone: Launcher
  private let temporary: TemporaryFolder

  init() throws {
    temporary = try TemporaryFolder()
    try Safetensors.write(InceptionFormula.weights, to: temporary.file("weights.safetensors"))
    halftone = Launcher(environment: ["HALFTONE_INCEPTION": temporary.file("weights.safetensors")])
  }

  private static func image(_ number: Int, height: Int = 24, width: Int = 20) -> PixelImage {
    PixelImage(
      height: height, width: width, channels: 3,
      pixels: (0..<height * width * 3).map {
        UInt8(truncatingIfNeeded: ($0 / 9 + 5) * (number * 37 + 11) + $0 % 3 * 40)
      })
  }

  /// The same images as a folder of PNGs, ZIP file and array, each in another order: the same output, to the digit.
  @Test func digitsDoNotDependOnFormOrOrder() throws {
    let images = (0..<12).map { Self.image($0) }
    for (set, numbers) in [("set", 0..<12), ("reference", 5..<9)] {
      try Folder.create(temporary.file(set))
      for number in numbers { try PNG.write(images[number], to: temporary.file("\(set)/\(number).png")) }
    }
    let members = try images.enumerated().map {
      (name: "in/\($0.offset * 7 % 12).png", bytes: try PNG.encode($0.element))
    }
    try AtomicFile.write(storedZip(members.reversed()), to: temporary.file("images.zip"))
    try NPZ.write(
      TensorArchive(tensors: [
        "arr_0": StoredTensor(dims: [12, 24, 20, 3], images.reversed().flatMap(\.pixels))
      ]), to: temporary.file("images.npz"))
    for mode in ["pytorch-fid", "clean"] {
      let runs = try [("set", "16"), ("images.zip", "5"), ("images.npz", "1")].map { form, batch in
        try halftone.run(
          "fid", temporary.file(form), temporary.file("reference"), "--features", "inception-64", "--mode", mode,
          "--batch", batch)
      }
      #expect(runs.allSatisfy { $0.status == 0 && $0.output == runs[0].output }, "\(runs[1].errors)")
      #expect(runs[0].output.hasPrefix("Fréchet distance on inception-64 features: "))
      #expect(
        runs[0].output.contains("\nfeatures: inception-64 (\(mode): ") && runs[0].output.hasSuffix("; N: 12 and 4\n"))
      #expect(runs[0].errors.contains("not that of the published weights; scores are not called FID"))
    }
  }

  /// JPEGs of several sizes, grey ones among them, are scored; the results say so.
  @Test func jpegsAreScoredWithAWarning() throws {
    let folder = temporary.file("jpegs")
    try Folder.create(folder)
    for name in ["colours-420", "progressive-422", "stored-rgb", "grey"] {
      try FileManager.default.copyItem(atPath: Fixtures.path("jpeg/\(name).jpg"), toPath: "\(folder)/\(name).jpg")
    }
    try PNG.write(Self.image(1), to: folder + "/z.png")
    let finished = try halftone.run("fid", folder, folder, "--features", "inception-64", "--json", "--quiet")
    #expect(finished.status == 0, "\(finished.errors)")
    let report = try JSON.parse(Array(finished.output.utf8), file: "report")
    #expect(
      report["warnings"]
        == .list(
          [
            "\(folder): 4 of 5 images are JPEGs; what compression leaves changes scores, so compare only sets that were compressed in the same way",
            "\(folder): images of 3 sizes or numbers of channels, each resized for itself; sets of one size compare better",
            "\(folder): 5 images for 64 features; below 65 the covariance has no full rank, and the distance is biased upwards; score --metrics kid is not",
          ].map { .string($0) }))
    // The pixels are those that Pillow decodes: the same features as of PNGs of them.
    let pixels = try NPZ.read(Fixtures.path("jpeg/pixels.npz"))
    let decoded = temporary.file("decoded")
    try Folder.create(decoded)
    for name in ["colours-420", "progressive-422", "stored-rgb", "grey"] {
      let array = try #require(pixels.tensors[name])
      try PNG.write(
        PixelImage(
          height: array.dims[0], width: array.dims[1], channels: array.dims.count == 3 ? 3 : 1, pixels: array.bytes),
        to: "\(decoded)/\(name).png")
    }
    try PNG.write(Self.image(1), to: decoded + "/z.png")
    for (images, out) in [(folder, "a.npz"), (decoded, "b.npz")] {
      #expect(
        try halftone.run("stats", images, "--features", "inception-64", "--out", temporary.file(out)).status == 0)
    }
    let bytes = ["a.npz", "b.npz"].map { FileManager.default.contents(atPath: temporary.file($0)) }
    #expect(bytes[0] != nil && bytes[0] == bytes[1])
  }

  /// A reference as guided-diffusion's evaluator has them, made from one pass, and used with its images.
  @Test func referencesOfGuidedDiffusionAreMadeAndRead() throws {
    func file(_ name: String) -> String { temporary.file(name) }
    try NPZ.write(
      TensorArchive(tensors: ["arr_0": StoredTensor(dims: [8, 24, 20, 3], (0..<8).flatMap { Self.image($0).pixels })]),
      to: file("images.npz"))
    let made = try halftone.run(
      "stats", file("images.npz"), "--features", "inception", "--mode", "adm", "--out", file("pool.npz"),
      "--spatial-out", file("spatial.npz"))
    #expect(
      made.output
        == "\(file("pool.npz")): 8 images, inception features\n\(file("spatial.npz")): 8 images, inception-spatial features\n"
    )
    let converted = try halftone.run(
      "stats", "convert", file("pool.npz"), "--spatial", file("spatial.npz"), "--format", "adm", "--out",
      file("adm.npz"))
    #expect(converted.status == 0 && converted.errors.isEmpty, "\(converted.errors)")
    let (pool, spatial) = (try NPZ.read(file("pool.npz")), try NPZ.read(file("spatial.npz")))
    var adm = try NPZ.read(file("adm.npz"))
    #expect(adm.tensors["mu"] == pool.tensors["mu"] && adm.tensors["sigma"] == pool.tensors["sigma"])
    #expect(adm.tensors["mu_s"] == spatial.tensors["mu"] && adm.tensors["sigma_s"] == spatial.tensors["sigma"])
    // With images beside the statistics, metrics of single images can be computed.
    adm.tensors["arr_0"] = try NPZ.read(file("images.npz")).tensors["arr_0"]
    try NPZ.write(adm, to: file("reference.npz"))
    let scored = try halftone.run(
      "score", file("images.npz"), file("reference.npz"), "--features", "inception", "--mode", "adm", "--metrics",
      "precision-recall", "--quiet")
    #expect(
      scored.output.hasPrefix("Precision and recall on inception features, k = 3: 1.000000 and 1.000000\n"),
      "\(scored.errors)")
    let refused = try halftone.run(
      "stats", "convert", file("pool.npz"), "--spatial", file("spatial.npz"), "--format", "pytorch-fid", "--out",
      file("never.npz"))
    #expect(
      refused.status == 2
        && refused.errors == """
          error[E-SCORE-SPATIAL]: the layout pytorch-fid has no place for spatial features
          hint: give --format adm

          """
    )
    let spatialless = try halftone.run(
      "stats", file("images.npz"), "--features", "inception-64", "--out", file("never.npz"), "--spatial-out",
      file("never-s.npz"))
    #expect(spatialless.status == 2 && spatialless.errors.contains("error[E-SCORE-SPATIAL]: inception-64: "))
  }
}
