import Formats
import Foundation
import Tensors
import TestSupport
import Testing

/// Sets and statistics that cannot be scored: what is said, the exit code, and that nothing is written.
@Suite struct ScoringFaultTests {
  private let halftone = Launcher()
  private let temporary: TemporaryFolder
  private let good: String

  init() throws {
    temporary = try TemporaryFolder()
    good = temporary.file("good.npz")
    try Self.write(count: 20, to: good) { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) }
  }

  private static func write(count: Int, to path: String, _ level: (Int) -> UInt8) throws {
    let pixels = (0..<count * 784).map(level)
    try NPZ.write(TensorArchive(tensors: ["arr_0": StoredTensor(dims: [count, 28, 28, 1], pixels)]), to: path)
  }

  private func statistics(_ name: String) throws -> String {
    let out = temporary.file(name)
    let finished = try halftone.run("stats", good, "--out", out, "--quiet")
    try #require(finished.status == 0, "\(finished.errors)")
    return out
  }

  /// Statistics in which one text is another.
  private func altered(_ path: String, _ entry: String, to text: String, _ name: String) throws -> String {
    var archive = try NPZ.read(path)
    archive.tensors[entry] = StoredTensor(dims: [text.utf8.count], Array(text.utf8))
    try NPZ.write(archive, to: temporary.file(name))
    return temporary.file(name)
  }

  private func refusal(_ arguments: [String], status: Int32 = 3) throws -> String {
    let finished = try halftone.run(arguments + ["--quiet"])
    #expect(finished.status == status && finished.output.isEmpty, "\(finished.errors)")
    return finished.errors
  }

  @Test func setsWithoutACovarianceAreNamed() throws {
    let empty = temporary.file("empty")
    try Folder.create(empty)
    #expect(try refusal(["fid", empty, good]) == "error[E-IMG-EMPTY]: \(empty): holds no images\n")
    let one = temporary.file("one.npz")
    try Self.write(count: 1, to: one) { _ in 7 }
    for command in ["fid", "score"] {
      #expect(
        try refusal([command, good, one])
          == "error[E-SCORE-COUNT]: \(one): one image; a covariance needs at least 2\n")
    }
    let out = temporary.file("never.npz")
    #expect(
      try refusal(["stats", one, "--out", out])
        == "error[E-STATS-COUNT]: statistics of 1 image; a covariance needs at least 2\n")
    #expect(!FileManager.default.fileExists(atPath: out))
  }

  @Test func damagedFilesAreNamed() throws {
    let bytes = try InputFile.contents(of: good, limit: 1 << 20)
    let damaged = temporary.file("damaged.npz")
    try AtomicFile.write(Array(bytes.dropLast(30)), to: damaged)
    #expect(
      try refusal(["fid", damaged, good]).hasPrefix(
        "error[E-ZIP-DIRECTORY]: \(damaged): no end of a ZIP directory in the file's last"))
    var flipped = bytes
    flipped[2000] ^= 1
    try AtomicFile.write(flipped, to: damaged)
    #expect(try refusal(["fid", good, damaged]).hasPrefix("error[E-ZIP-CRC]: \(damaged)"))
    let missing = temporary.file("missing")
    #expect(try refusal(["score", missing, good]) == "error[E-IO-NOTFOUND]: \(missing): no such file or folder\n")
    let folder = temporary.file("folder")
    try Folder.create(folder)
    let jpeg = try InputFile.contents(of: Fixtures.path("jpeg/grey.jpg"), limit: 1 << 20)
    try AtomicFile.write(Array(jpeg.dropLast(40)), to: folder + "/cut.jpg")
    #expect(
      try refusal(["fid", folder, good]) == """
        error[E-JPEG-DATA]: \(folder)/cut.jpg: Premature end of JPEG file
        hint: the file is incomplete; copy or download it again

        """)
  }

  /// Other extractors, other ways of preparing pixels: never compared, never merged.
  @Test func statisticsThatDoNotBelongTogetherAreRefused() throws {
    let ours = try statistics("ours.npz")
    let stranger = try altered(ours, "extractor", to: "other", "stranger.npz")
    let mode = try altered(ours, "extractor_mode", to: "clean: words", "mode.npz")
    let out = temporary.file("never.npz")
    for (other, name) in [(stranger, "other (28x28 grey"), (mode, "fashion-mnist-classifier (clean: words; weights")] {
      for arguments in [["fid", ours, other], ["score", good, other], ["stats", "merge", ours, other, "--out", out]] {
        let errors = try refusal(arguments)
        #expect(
          errors.hasPrefix("error[E-STATS-EXTRACTOR]: the statistics come from different feature extractors:\n"))
        #expect(errors.contains("\n  \(name)"), "\(errors)")
      }
    }
    #expect(!FileManager.default.fileExists(atPath: out))
  }

  /// Equal images have a covariance of zero, which is a covariance.
  @Test func constantImagesAreScoredAndSaid() throws {
    let constant = temporary.file("constant.npz")
    try Self.write(count: 40, to: constant) { _ in 100 }
    let all = "frechet,frechet-infinity,kid,precision-recall,density-coverage,classifier-score"
    let finished = try halftone.run("score", constant, constant, "--metrics", all, "--intervals")
    #expect(finished.status == 0 && !finished.output.contains("nan"), "\(finished.errors)")
    #expect(
      finished.output.hasPrefix(
        "Fréchet distance on fashion-mnist-classifier features: 0.000000 (95 % interval 0.000000 to 0.000000)\n"))
    #expect(finished.errors.contains("warning: \(constant): all images have the same features\n"))
    let apart = try halftone.run("fid", constant, good, "--json", "--quiet")
    let report = try JSON.parse(Array(apart.output.utf8), file: "report")
    guard case .number(let distance)? = report["distance"] else {
      Issue.record("no distance in \(apart.output)")
      return
    }
    #expect(distance > 0 && distance.isFinite)
    #expect(
      report["warnings"]
        == .list(
          [
            "\(constant): 40 images for 128 features; below 129 the covariance has no full rank, and the distance is biased upwards; score --metrics kid is not",
            "\(constant): all images have the same features",
            "\(good): 20 images for 128 features; below 129 the covariance has no full rank, and the distance is biased upwards; score --metrics kid is not",
          ].map { .string($0) }))
  }
}
