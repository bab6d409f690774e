import Formats
import Foundation
import Tensors
import TestSupport
import Testing

/// Statistics and distances, from whatever form the images have.
@Suite struct ScoringTests {
  let halftone = Launcher()

  @Test func everyFormOfTheSameImagesHasTheSameStatistics() throws {
    let temporary = try TemporaryFolder()
    let run = temporary.file("run")
    let sampled = try halftone.run(
      "sample", "fashion-mnist-ddpm", "--sampler", "ddim-10", "--count", "6", "--out", run, "--npz")
    #expect(sampled.status == 0)
    let forms = [(run, "run.npz"), (run + "/images", "folder.npz"), (run + "/samples.npz", "array.npz")]
    for (form, out) in forms {
      let finished = try halftone.run(
        "stats", form, "--out", temporary.file(out), "--batch", out == "run.npz" ? "1" : "4")
      #expect(finished.status == 0, "\(finished.errors)")
      #expect(finished.output == "\(temporary.file(out)): 6 images, fashion-mnist-classifier features\n")
      #expect(
        finished.errors.hasSuffix(
          "warning: \(form): 6 images for 128 features; below 129 the covariance has no full rank, and the distance is biased upwards; score --metrics kid is not\n"
        ))
    }
    let bytes = forms.map { FileManager.default.contents(atPath: temporary.file($0.1)) }
    #expect(bytes[0] != nil && bytes.allSatisfy { $0 == bytes[0] })

    let described = try halftone.run("inspect", temporary.file("array.npz"))
    #expect(described.status == 0)
    #expect(
      described.output.hasPrefix("\(temporary.file("array.npz")): feature statistics\nimages: 6\ndimension: 128\n"))
    let folder = try halftone.run("inspect", run, "--json")
    let record = try JSON.parse(Array(folder.output.utf8), file: "inspect")
    #expect(record["kind"] == "run" && record["images"] == 6 && record["command"] == "sample")

    let same = try halftone.run("fid", run, temporary.file("array.npz"), "--quiet")
    #expect(same.output.hasPrefix("Fréchet distance on fashion-mnist-classifier features: 0.000000\nfeatures: "))
    #expect(same.output.hasSuffix("; N: 6 and 6\n"))
    let shipped = Launcher.checkout.appending(path: "models/fashion-mnist-classifier").path
    let sets = try halftone.run(
      "fid", shipped + "/statistics-train.npz", shipped + "/statistics-test.npz", "--json", "--quiet")
    let report = try JSON.parse(Array(sets.output.utf8), file: "report")
    guard case .number(let distance)? = report["distance"] else {
      Issue.record("no distance in \(sets.output)")
      return
    }
    // PyTorch's figure for these two sets is 0.0044.
    #expect(abs(distance - 0.0044) < 0.00005)
    #expect(report["first"]?["images"] == 60000)
  }

  /// A run in two shards, scored apart and merged, against the whole.
  @Test func shardsMergeToTheBitsOfTheWhole() throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("run")
    let sampled = try halftone.run(
      "sample", "fashion-mnist-ddpm", "--sampler", "ddim-10", "--count", "6", "--out", folder, "--npz", "--quiet")
    #expect(sampled.status == 0)
    func stats(_ arguments: String...) throws -> Finished {
      try halftone.run(["stats"] + arguments + ["--quiet"])
    }
    func file(_ name: String) -> String { temporary.file(name + ".npz") }
    #expect(try stats(folder, "--out", file("all")).status == 0)
    #expect(try stats("compute", folder, "--indices", "0-1", "--out", file("a")).status == 0)
    #expect(try stats(folder + "/samples.npz", "--indices", "2-5", "--out", file("b")).status == 0)
    let merged = try stats("merge", file("b"), file("a"), "--indices", "0-5", "--out", file("merged"))
    #expect(
      merged.output
        == "\(file("merged")): 6 images (0-5) of 2 files, fashion-mnist-classifier features\n", "\(merged.errors)")
    let bytes = ["all", "merged"].map { FileManager.default.contents(atPath: file($0)) }
    #expect(bytes[0] != nil && bytes[0] == bytes[1])

    let twice = try stats("merge", file("b"), file("all"), "--out", file("never"))
    #expect(twice.status == 4 && twice.errors.contains("\(file("b")) and \(file("all")): 2-5"))
    let gap = try stats("merge", file("b"), "--out", file("never"))
    #expect(gap.status == 4 && gap.errors.contains("error[E-STATS-GAP]: images are missing: 0-1"))
    #expect(!FileManager.default.fileExists(atPath: file("never")))
    #expect(try stats("merge", file("b"), "--allow-gaps", "--out", file("b2")).status == 0)

    #expect(
      try stats("convert", file("all"), "--format", "pytorch-fid", "--out", file("fid")).output
        == "\(file("fid")): mu, sigma (pytorch-fid)\n")
    let unmergeable = try stats("merge", file("fid"), "--out", file("never"))
    #expect(unmergeable.status == 3 && unmergeable.errors.contains("error[E-STATS-EXACT]"))
    let named = try stats(folder, "--first-index", "3", "--out", file("never"))
    #expect(
      named.errors.hasPrefix(
        "error[E-INDICES-NAMED]: \(folder)/images: --first-index contradicts the names of the files, which begin with image 0"
      ))
    let none = try stats(folder + "/samples.npz", "--first-index", "100", "--indices", "0-50", "--out", file("never"))
    #expect(
      none.errors
        == "error[E-INDICES-EMPTY]: \(folder)/samples.npz: no image has an index in 0-50; there are 100-105\n")
  }

  @Test func severalMetricsComeFromOnePass() throws {
    let temporary = try TemporaryFolder()
    let samples = temporary.file("samples.npz")
    // Images of random levels, made by a formula: 80 of 28x28.
    let pixels = (0..<80 * 784).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) }
    try NPZ.write(
      TensorArchive(tensors: ["arr_0": StoredTensor(dims: [80, 28, 28, 1], pixels)]), to: samples)
    let other = temporary.file("other.npz")
    try NPZ.write(
      TensorArchive(tensors: ["arr_0": StoredTensor(dims: [80, 28, 28, 1], pixels.map { $0 / 2 })]), to: other)
    let all = "frechet,frechet-infinity,kid,precision-recall,density-coverage,classifier-score"
    let runs = try ["1", "2"].map {
      try halftone.run("score", samples, other, "--metrics", all, "--json", "--quiet", "--threads", $0)
    }
    #expect(runs[0].status == 0 && runs[0].output == runs[1].output, "\(runs[0].errors)")
    let report = try JSON.parse(Array(runs[0].output.utf8), file: "report")
    guard case .map(let metrics)? = report["metrics"] else {
      Issue.record("no metrics in \(runs[0].output)")
      return
    }
    #expect(
      metrics.map(\.key) == [
        "frechet", "frechet_infinity", "kid", "precision_recall", "density_coverage", "classifier_score",
      ])
    #expect(report["generated"]?["images"] == 80 && report["extractor"]?["name"] == "fashion-mnist-classifier")
    // The same digits as `fid`.
    let fid = try halftone.run("fid", samples, other, "--json", "--quiet")
    let distance = try JSON.parse(Array(fid.output.utf8), file: "report")["distance"]
    #expect(distance != nil && report["metrics"]?["frechet"]?["distance"] == distance)

    let text = try halftone.run("score", samples, samples)
    let lines = text.output.split(separator: "\n")
    #expect(lines.count == 5 && lines.dropLast().allSatisfy { $0.contains(" on fashion-mnist-classifier features") })
    #expect(
      lines.last?.hasPrefix("features: fashion-mnist-classifier (28x28 grey, u8 / 127.5 - 1, no resize; weights ")
        == true)
    #expect(lines[3] == "Density and coverage on fashion-mnist-classifier features, k = 5: 1.200000 and 1.000000")
    #expect(
      text.errors.contains("warning: kernel distance: 80 images are fewer than a subset of 1000; subsets of 40 instead")
    )

    // From statistics only the Fréchet distance follows; asked for more by name, it is refused.
    let shipped = Launcher.checkout.appending(path: "models/fashion-mnist-classifier/statistics-test.npz").path
    let partial = try halftone.run("score", samples, shipped)
    #expect(partial.status == 0 && partial.output.split(separator: "\n").count == 2)
    #expect(
      partial.errors.contains(
        "note: \(shipped): kid, precision-recall, density-coverage cannot be computed from a mean and a covariance"))
    let refused = try halftone.run("score", samples, shipped, "--metrics", "kid,frechet")
    #expect(refused.status == 2)
    #expect(
      refused.errors.hasSuffix(
        """
        error[E-SCORE-IMAGES]: \(shipped): kid cannot be computed from a mean and a covariance
        hint: give the images, or --metrics frechet

        """))
    #expect(try halftone.run("score", samples, samples, "--metrics", "fid").status == 2)
  }

  /// Features of another program, without an extractor's name.
  @Test func featureFilesAreScored() throws {
    let golden = Launcher.checkout.appending(path: "Tests/Fixtures/scores/scores.npz").path
    let archive = try NPZ.read(golden)
    let temporary = try TemporaryFolder()
    for name in ["a", "b"] {
      let features = try #require(archive.tensors[name])
      try NPZ.write(TensorArchive(tensors: ["features": features]), to: temporary.file(name + ".npz"))
    }
    let scored = try halftone.run("score", temporary.file("a.npz"), temporary.file("b.npz"), "--quiet")
    // torch-fidelity's figures (scores.npz) to six digits.
    let lines = scored.output.split(separator: "\n")
    #expect(lines.first == "Fréchet distance on features of an unknown extractor: 4.013528")
    #expect(
      lines[2...3] == [
        "Precision and recall on features of an unknown extractor, k = 3: 0.900000 and 0.046154",
        "Density and coverage on features of an unknown extractor, k = 5: 1.482667 and 0.792308",
      ])
    // As statistics in our layout: the same distance, of features that are still unknown.
    for name in ["a", "b"] {
      #expect(
        try halftone.run(
          "stats", "convert", temporary.file(name + ".npz"), "--format", "halftone", "--out",
          temporary.file(name + "-stats.npz")
        ).status == 0)
    }
    let converted = try halftone.run("fid", temporary.file("a-stats.npz"), temporary.file("b-stats.npz"), "--quiet")
    #expect(converted.output.split(separator: "\n").first == lines.first)
    let classifier = try halftone.run(
      "score", temporary.file("a.npz"), temporary.file("b.npz"), "--metrics", "classifier-score", "--quiet")
    #expect(classifier.status == 2 && classifier.errors.contains("E-SCORE-CLASSIFIER"))
    try NPZ.write(
      TensorArchive(tensors: ["features": StoredTensor(dims: [2], [1, 2] as [Double])]), to: temporary.file("c.npz"))
    let wrong = try halftone.run("score", temporary.file("c.npz"), temporary.file("b.npz"), "--quiet")
    #expect(
      wrong.errors
        == "error[E-SCORE-FEATURES]: \(temporary.file("c.npz")): array \"features\" is F64 [2], expected features, F16 to F64 [images, dimension]\n"
    )
  }

  /// The same images as PNGs, ZIP file and array, in any order and with any batch, print the same digits.
  @Test func digitsDoNotDependOnFormOrOrder() throws {
    let temporary = try TemporaryFolder()
    let shape = ImageShape(channels: 1, height: 28, width: 28)
    let images = (0..<40).map { image in
      (0..<shape.count).map { UInt8(truncatingIfNeeded: (($0 + 1) &* (image + 3) &* 2_654_435_761) >> 15) }
    }
    func png(_ pixels: [UInt8]) -> PixelImage { PixelImage(height: 28, width: 28, channels: 1, pixels: pixels) }
    try Folder.create(temporary.file("png"))
    for (index, pixels) in images.enumerated() {
      try PNG.write(png(pixels), to: temporary.file("png/\(index).png"))
    }
    // Other names, hence another order; the archive's directory is in yet another.
    let members = try images.enumerated().map {
      (name: "set/\(($0.offset * 7) % 40).png", bytes: try PNG.encode(png($0.element)))
    }
    try AtomicFile.write(storedZip(members), to: temporary.file("images.zip"))
    try NPZ.write(
      TensorArchive(tensors: ["arr_0": StoredTensor(dims: [40, 28, 28, 1], Array(images.reversed().joined()))]),
      to: temporary.file("images.npz"))
    let reference = Launcher.checkout.appending(path: "models/fashion-mnist-classifier/statistics-test.npz").path
    let runs = try [("png", "16"), ("images.zip", "3"), ("images.npz", "1")].map { form, batch in
      try halftone.run("fid", temporary.file(form), reference, "--json", "--quiet", "--batch", batch)
    }
    let distances = try runs.map { try JSON.parse(Array($0.output.utf8), file: "report")["distance"] }
    #expect(runs.allSatisfy { $0.status == 0 }, "\(runs[1].errors)")
    #expect(distances[0] != nil && distances.allSatisfy { $0 == distances[0] })
  }

  /// Kept features are found again by what they hold; damaged ones are computed again.
  @Test func keptFeaturesAreFoundAgain() throws {
    let temporary = try TemporaryFolder()
    let pixels = (0..<300 * 784).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) }
    let samples = temporary.file("samples.npz")
    try NPZ.write(
      TensorArchive(tensors: ["arr_0": StoredTensor(dims: [300, 28, 28, 1], pixels)]), to: samples)
    func leaves() throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: temporary.file("kept")).sorted()
    }
    func stats(_ out: String, _ arguments: String...) throws -> [UInt8]? {
      let finished = try halftone.run(["stats", samples, "--out", temporary.file(out), "--quiet"] + arguments)
      #expect(finished.status == 0, "\(finished.errors)")
      return FileManager.default.contents(atPath: temporary.file(out)).map(Array.init)
    }
    let plain = try stats("plain.npz")
    // Without a folder of its own, nothing stays beside the result.
    #expect(!FileManager.default.fileExists(atPath: temporary.file("plain.npz.features")))
    #expect(try plain != nil && stats("first.npz", "--keep-features", temporary.file("kept")) == plain)
    let names = try leaves()
    #expect(names.count == 5 && names.allSatisfy { $0.hasSuffix(".npz") })
    // A leaf that holds other numbers shows that leaves are read, not computed.
    let leaf = temporary.file("kept/" + names[0])
    var archive = try NPZ.read(leaf)
    let stored = try #require(archive.tensors["features"])
    archive.tensors["features"] = StoredTensor(Tensor(stored.dims, [Float](repeating: 1, count: stored.dims[0] * 128)))
    try NPZ.write(archive, to: leaf)
    #expect(try stats("second.npz", "--keep-features", temporary.file("kept")) != plain)
    try AtomicFile.write("damaged", to: leaf)
    #expect(try stats("third.npz", "--keep-features", temporary.file("kept")) == plain)
    #expect(try leaves() == names && NPZ.read(leaf).tensors["features"] == stored)
  }

  @Test func modesBelongToInception() throws {
    let without = Launcher(environment: ["HALFTONE_INCEPTION": ""])
    let needs = try without.run("fid", "a", "b", "--mode", "clean")
    #expect(needs.status == 2 && needs.errors.contains("the extractor inception needs a file with its weights"))
    let other = try halftone.run("fid", "a", "b", "--mode", "clean", "--features", "fashion-mnist-classifier")
    #expect(
      other.errors
        == "error[E-FEATURES-MODE]: fashion-mnist-classifier prepares pixels in one way only; there is no mode \"clean\"\n"
    )
    let spatial = try halftone.run("score", "a", "b", "--metrics", "sfid")
    #expect(spatial.status == 2 && spatial.errors.contains("E-SCORE-SPATIAL"))
  }

  @Test func imagesOfAnotherSizeAreRefused() throws {
    let temporary = try TemporaryFolder()
    let image = PixelImage(height: 8, width: 8, channels: 1, pixels: [UInt8](repeating: 0, count: 64))
    try PNG.write(image, to: temporary.file("a.png"))
    let finished = try halftone.run("stats", temporary.path, "--out", temporary.file("s.npz"))
    #expect(finished.status == 3)
    #expect(!FileManager.default.fileExists(atPath: temporary.file("s.npz")))
  }

  @Test func namesOfExtractorsAreSuggested() throws {
    let finished = try halftone.run("stats", "/tmp", "--features", "inceptoin", "--out", "/tmp/never.npz")
    #expect(finished.status == 2)
    #expect(finished.errors.contains("fashion-mnist-classifier") && finished.errors.contains("did you mean"))
  }

  @Test func weightsOfInceptionAreTheUsers() throws {
    let without = Launcher(environment: ["HALFTONE_INCEPTION": ""])
    let missing = try without.run("stats", "/tmp", "--features", "inception", "--out", "/tmp/never.npz")
    #expect(missing.status == 2)
    #expect(
      missing.errors == """
        error[E-FEATURES-WEIGHTS]: the extractor inception needs a file with its weights
        hint: get it from \
        https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth, SHA-256 \
        6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2, and give --features inception=PATH or \
        HALFTONE_INCEPTION=PATH

        """)
    let other = Launcher.checkout.appending(path: "Tests/Fixtures/pytorch/module.pth").path
    let wrong = try without.run("stats", "/tmp", "--features", "inception=" + other, "--out", "/tmp/never.npz")
    #expect(
      wrong.status == 3
        && wrong.errors.contains("error[E-WEIGHTS]: the Inception weights file does not fit the network"))
    let shipped = try without.run(
      "stats", "/tmp", "--features", "fashion-mnist-classifier=" + other, "--out", "/tmp/never.npz")
    #expect(shipped.status == 2 && shipped.errors.contains("has its weights; no file can be given"))
  }

  @Test func listNamesWhatCommandsTake() throws {
    let samplers = try halftone.run("list", "samplers")
    #expect(samplers.output.split(separator: "\n").contains("ddim-50"))
    let all = try halftone.run("list", "--json")
    let lists = try JSON.parse(Array(all.output.utf8), file: "list")
    #expect(lists["models"] == ["fashion-mnist-ddpm", "fashion-mnist-ldm"])
    #expect(
      lists["extractors"] == [
        "fashion-mnist-classifier", "inception", "inception-64", "inception-192", "inception-768", "inception-spatial",
      ])
    #expect(
      lists["recipes"] == [
        "gptq-w3a32", "gptq-w4a32", "gptq-w4a8", "gptq-w8a8", "halftone-w2a8", "halftone-w3a8", "halftone-w4a32",
        "halftone-w4a4", "halftone-w4a8", "halftone-w7a8", "halftone-w8a8", "mixed-w4a32", "mixed-w4a4", "mixed-w4a8",
        "mixed-w8a8",
        "ptq4dm-code-w4a32", "ptq4dm-code-w4a8", "ptq4dm-code-w8a8", "ptq4dm-w4a32", "ptq4dm-w4a4", "ptq4dm-w4a8",
        "ptq4dm-w8a8", "qdiffusion-w4a32", "qdiffusion-w4a4", "qdiffusion-w4a8", "qdiffusion-w8a8", "qdrop-w4a4",
        "qdrop-w4a8", "qdrop-w8a8", "rtn-w4a32", "rtn-w4a4", "rtn-w4a8", "rtn-w7a8", "rtn-w8a8", "tfmq-cache-w4a32",
        "tfmq-cache-w4a8", "tfmq-cache-w8a8", "tfmq-code-w4a32", "tfmq-code-w4a8", "tfmq-code-w8a8",
        "tfmq-select-w4a32", "tfmq-select-w4a8", "tfmq-select-w8a8", "tfmq-w4a32", "tfmq-w4a8", "tfmq-w8a8",
      ])
  }
}
