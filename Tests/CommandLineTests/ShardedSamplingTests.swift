import Formats
import Foundation
import Synchronization
import TestSupport
import Testing
import Workbench

/// One run drawn by several processes: the images of one process, whatever happens to them.
@Suite(.serialized) struct ShardedSamplingTests {
  let halftone = Launcher()

  /// Four units, the last of 8 images.
  private static let count = 200
  private static let model = ["fashion-mnist-ddpm", "--sampler", "ddim-10", "--steps", "2"]

  private func sample(_ folder: String, _ options: String...) -> [String] {
    ["sample"] + Self.model + ["--count", "\(Self.count)", "--out", folder] + options
  }

  /// The digest of a gathered run's images.
  private func digest(_ folders: String..., out: String? = nil) throws -> String {
    let finished = try halftone.run(
      ["gather"] + folders + ["--count", "\(Self.count)"] + (out.map { ["--out", $0] } ?? []))
    #expect(finished.status == 0, "\(finished.errors)")
    return try #require(finished.output.split(separator: "\n").first { $0.hasPrefix("digest: ") }.map(String.init))
  }

  /// Of one process that draws all images.
  private static let whole = Mutex<String?>(nil)

  private func wholeDigest() throws -> String {
    try Self.whole.withLock { known in
      if let known { return known }
      let temporary = try TemporaryFolder()
      let folder = temporary.file("whole")
      #expect(try halftone.run(sample(folder)).status == 0)
      let found = try digest(folder)
      known = found
      return found
    }
  }

  @Test(arguments: [1, 2, 3, 7]) func anyNumberOfShardsDrawsTheImagesOfOneRun(_ shards: Int) throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("run")
    var drawn = 0
    for shard in 0..<shards {
      let finished = try halftone.run(sample(folder, "--shard", "\(shard)/\(shards)"))
      #expect(finished.status == 0, "\(finished.errors)")
      let words = finished.output.split(separator: " ")
      drawn += Int(words[2]) ?? 0
      #expect(
        finished.output
          == "shard \(shard)/\(shards): \(words[2]) images in \(folder)/images (\(words[2]) drawn, 0 kept)\n")
    }
    #expect(drawn == Self.count)
    #expect(try digest(folder) == wholeDigest())
    let report = try JSON.read(folder + "/report.json")
    #expect(report["compared_with_records"] == .integer(Self.count) && report["drawn"] == .integer(Self.count))
    #expect(!FileManager.default.fileExists(atPath: folder + "/claims"))
  }

  @Test func killedDuplicatedAndRenumberedShardsLoseAndChangeNothing() throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("run")
    let killed = try halftone.start(sample(folder, "--shard", "0/2", "--batch", "1"))
    try killed.waitUntil { FileManager.default.fileExists(atPath: folder + "/images/000000/000003.png") }
    killed.signal(SIGKILL)
    #expect(killed.wait().status == 128 + SIGKILL)
    #expect(FileManager.default.fileExists(atPath: folder + "/claims/000000"))
    let stopped = try halftone.start(sample(folder, "--shard", "1/2", "--batch", "1"))
    try stopped.waitUntil { FileManager.default.fileExists(atPath: folder + "/images/000000/000129.png") }
    stopped.signal(SIGUSR1)
    #expect(stopped.wait().status == 75)

    // Another number of shards, all at once, one of them twice.
    let running = try ["0/3", "1/3", "2/3", "1/3"].map {
      try halftone.start(sample(folder, "--shard", $0, "--threads", "1"))
    }
    for shard in running {
      let finished = shard.wait()
      #expect(finished.status == 0, "\(finished.errors)")
    }
    #expect(try digest(folder) == wholeDigest())
    #expect(!FileManager.default.fileExists(atPath: folder + "/claims"))
    let again = try halftone.run(sample(folder, "--shard", "0/1"))
    #expect(again.output == "shard 0/1: 200 images in \(folder)/images (0 drawn, 200 kept)\n")
  }

  @Test func foldersOfTheirOwnAreBroughtTogether() throws {
    let temporary = try TemporaryFolder()
    let (a, b, all) = (temporary.file("a"), temporary.file("b"), temporary.file("all"))
    for (folder, shard) in [(a, "0/2"), (b, "1/2")] {
      #expect(try halftone.run(sample(folder, "--shard", shard)).status == 0)
    }
    let placeless = try halftone.run("gather", a, b)
    #expect(placeless.status == 2)
    #expect(
      placeless.errors == """
        error[E-GATHER-OPTION]: 2 folders make one run somewhere else
        hint: give the folder with --out

        """)
    #expect(try digest(a, b, out: all) == wholeDigest())
    // A shard that was drawn twice is said, and counts once.
    let twice = try halftone.run("gather", a, all, "--count", "200", "--out", temporary.file("again"))
    #expect(twice.status == 0)
    #expect(twice.errors.contains("note: in more than one folder, equal, and counted once: 0-127\n"))
    // What was brought together is a run like any other.
    let resumed = try halftone.run(sample(all))
    #expect(resumed.output.hasPrefix("200 images in \(all)/images (0 drawn, 200 kept)\n"))
  }

  @Test func everythingThatIsWrongIsNamedByImage() throws {
    let temporary = try TemporaryFolder()
    let (a, b) = (temporary.file("a"), temporary.file("b"))
    for (folder, shard) in [(a, "0/2"), (b, "1/2"), (b, "0/2")] {
      #expect(try halftone.run(sample(folder, "--shard", shard)).status == 0)
    }
    let file = { (folder: String, image: Int) in "\(folder)/images/000000/\(String(format: "%06d", image)).png" }
    for image in [128, 130, 131] { try FileManager.default.removeItem(atPath: file(b, image)) }
    try Data("nothing".utf8).write(to: URL(fileURLWithPath: file(a, 3)))
    // An image that says it is number 5, with the pixels of number 6.
    let texts = try PNG.texts(file(a, 5)).map { (key: $0.key, value: $0.value) }
    try PNG.write(PNG.read(file(a, 6)), texts: texts, to: file(a, 5))
    let refused = try halftone.run("gather", a, b, "--count", "190", "--out", temporary.file("all"))
    #expect(refused.status == 3)
    let lines = refused.errors.split(separator: "\n").drop { !$0.hasPrefix("error") }.map(String.init)
    #expect(
      lines == [
        "error[E-GATHER-IMAGES]: the images are not exactly 0-189:",
        "  missing: 128, 130-131 (3 in all)",
        "  unexpected: 190-199 in \(b)",
        "  damaged: image 3 in \(a): \(file(a, 3)): not a PNG image",
        "  changed: image 5 in \(a) is not what its unit's record says",
        "  contradictory: image 5 differs between \(a) and \(b)",
        "hint: the command of the shards draws what is missing, damaged or changed, with the same or another number of shards; "
          + "what is unexpected is yours to move away; --count and --indices say which images are expected",
      ])
    #expect(!FileManager.default.fileExists(atPath: temporary.file("all")))
  }

  /// An image and a record that are whole and contradict each other: whichever changed, the shard draws the image and says what it is.
  @Test func whatAShardFindsChangedItDrawsAgain() throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("run")
    #expect(try halftone.run(sample(folder, "--shard", "0/1")).status == 0)
    let file = { (image: Int) in "\(folder)/images/000000/\(String(format: "%06d", image)).png" }
    let texts = try PNG.texts(file(5)).map { (key: $0.key, value: $0.value) }
    try PNG.write(PNG.read(file(6)), texts: texts, to: file(5))
    let record = URL(fileURLWithPath: folder + "/units/000001.json")
    let digest = try #require(try UnitRecord.read(1, inRun: folder)?.digest(of: 67))
    let changed = try String(contentsOf: record, encoding: .utf8).replacing(digest, with: String(digest.reversed()))
    try changed.write(to: record, atomically: false, encoding: .utf8)
    let refused = try halftone.run("gather", folder, "--count", "\(Self.count)")
    #expect(
      refused.status == 3 && refused.errors.contains("  changed: image 5 in \(folder) is not what its unit's record"))
    let mended = try halftone.run(sample(folder, "--shard", "0/1"))
    #expect(mended.output == "shard 0/1: 200 images in \(folder)/images (2 drawn, 198 kept)\n")
    #expect(mended.errors.contains("\(file(67)) is not what the record of unit 1 says; drawing image 67 again\n"))
    #expect(try self.digest(folder) == wholeDigest())
  }

  @Test func placesThatHoldMoreThanTheWholeAreRefused() throws {
    let temporary = try TemporaryFolder()
    let (part, all) = (temporary.file("part"), temporary.file("all"))
    #expect(try halftone.run(sample(part, "--shard", "0/1")).status == 0)
    _ = try digest(part, part + "/", out: all)
    // The same images again are no problem, others are.
    let fewer = try halftone.run("gather", part, "--count", "128", "--out", all)
    #expect(fewer.status == 3 && fewer.errors.contains("\n  unexpected: 128-199 in \(all)\n"))
    #expect(
      try halftone.run(
        "sample", "fashion-mnist-ddpm", "--sampler", "ddim-10", "--steps", "2", "--indices", "300000000", "--out", all
      )
      .status == 0)
    let more = try halftone.run("gather", part, "--count", "\(Self.count)", "--out", all)
    #expect(more.status == 3)
    #expect(
      more.errors.contains("the images are not exactly 0-199:\n  unexpected: 300000000 in \(all)\n"), "\(more.errors)")
    let alone = try halftone.run("gather", all, "--indices", "300000000-300000000")
    #expect(alone.status == 3 && alone.errors.contains("\n  unexpected: 0-199 in \(all)\n"))
    // A copy that nobody can number.
    let copy = part + "/images/000000/copy.png"
    try FileManager.default.copyItem(atPath: part + "/images/000000/000005.png", toPath: copy)
    let foreign = try halftone.run("gather", part)
    #expect(foreign.status == 3 && foreign.errors.contains("\n  unexpected: 000000/copy.png in \(part)\n"))
    try FileManager.default.removeItem(atPath: copy)
    // Records that cannot be read are not records that are not there.
    try FileManager.default.moveItem(atPath: part + "/units", toPath: part + "/elsewhere")
    try Data().write(to: URL(fileURLWithPath: part + "/units"))
    let unread = try halftone.run("gather", part)
    #expect(unread.status == 3 && unread.errors.contains("  record: \(part)/units: expected a folder, found a file\n"))
    let record = try halftone.run("gather", all, "--count", "200", "--stats", all + "/run.json")
    #expect(record.status == 2)
    #expect(
      record.errors == """
        error[E-OUT-INPUT]: \(all)/run.json is the record of a run, and would be written over
        hint: name another output

        """)
  }

  @Test func otherRunsAndOtherWorkAreRefused() throws {
    let temporary = try TemporaryFolder()
    let (a, b) = (temporary.file("a"), temporary.file("b"))
    #expect(try halftone.run(sample(a, "--shard", "3/4")).status == 0)
    #expect(try halftone.run(sample(b, "--shard", "3/4", "--seed", "1")).status == 0)
    let differs = try halftone.run("gather", a, b, "--out", temporary.file("all"))
    #expect(differs.status == 3)
    #expect(
      differs.errors == """
        error[E-GATHER-DIFFERS]: \(b) holds another run than \(a):
          configuration.seed: 1 there, 0 in the first
        hint: gather folders of one model, sampler and seed

        """)
    let other = try halftone.run(sample(a, "--shard", "0/4", "--seed", "1"))
    #expect(other.status == 4 && other.errors.contains("configuration.seed: 0 there, 1 asked for"))
    let whole = try halftone.run(sample(a, "--shard", "0/4", "--npz"))
    #expect(whole.status == 2)
    #expect(whole.errors.hasPrefix("error[E-SHARD-OPTION]: --npz: means nothing for one shard of the work\n"))
    let range = try halftone.run(sample(a, "--shard", "4/4"))
    #expect(range.status == 2)
    #expect(
      range.errors == "error[E-SHARD-RANGE]: --shard 4/4: shards are counted from 0, so the last of 4 is 3/4\n")
    let features = try halftone.run("gather", a, "--mode", "clean")
    #expect(features.status == 2)
    #expect(features.errors == "error[E-GATHER-OPTION]: --mode: means nothing without --stats\n")
  }

  @Test func latentsAndGuidedImagesAreSharedToo() throws {
    let temporary = try TemporaryFolder()
    for (name, options) in [("latents", ["--latents-only"]), ("guided", ["--guidance", "2"])] {
      func run(_ folder: String, _ more: String...) throws {
        let finished = try halftone.run(
          ["sample", "fashion-mnist-ldm", "--sampler", "ddim-10", "--steps", "2", "--count", "70", "--out", folder]
            + options + more)
        #expect(finished.status == 0, "\(finished.errors)")
      }
      let (whole, shared) = (temporary.file(name), temporary.file(name + "-shared"))
      try run(whole)
      for shard in ["1/2", "0/2"] { try run(shared, "--shard", shard) }
      let digests = try [whole, shared].map { folder in
        let gathered = try halftone.run("gather", folder, "--count", "70", "--json")
        #expect(gathered.status == 0, "\(gathered.errors)")
        return try JSON.parse(Array(gathered.output.utf8), file: "report")["digest"]
      }
      #expect(digests[0] != nil && digests[0] == digests[1])
    }
  }
}
