import Formats
import Foundation
import Tensors
import TestSupport
import Testing
import Workbench

@Suite struct RunFolderTests {
  let temporary: TemporaryFolder

  init() throws { temporary = try TemporaryFolder() }

  /// Of a folder that does not exist yet.
  private func newPath(_ name: String = "run") -> String { temporary.file(name) }

  private func open(_ path: String, seed: Int = 1) throws -> RunFolder {
    try RunFolder(
      path, command: "sample", identity: ["seed": .integer(seed), "model": "sha256:aa"],
      arguments: ["halftone", "sample", "tiny"])
  }

  @Test func newFolderIsBegunAndThenContinued() throws {
    let path = newPath()
    #expect(try open(path).isContinued == false)
    let record = try String(contentsOfFile: path + "/run.json", encoding: .utf8)
    #expect(try open(path).isContinued)
    #expect(try String(contentsOfFile: path + "/run.json", encoding: .utf8) == record)
    let log = try String(contentsOfFile: path + "/log.jsonl", encoding: .utf8).split(separator: "\n")
    #expect(log.count == 2)
    #expect(log[0].contains("\"event\":\"started\",\"command\":\"halftone sample tiny\""))
    #expect(log[1].contains("\"event\":\"continued\""))
  }

  @Test func nothingIsWrittenThroughLinksInside() throws {
    let path = newPath()
    let run = try open(path)
    let elsewhere = temporary.file("elsewhere")
    try FileManager.default.createDirectory(atPath: elsewhere, withIntermediateDirectories: true)
    for name in ["images", "units"] {
      try FileManager.default.createSymbolicLink(atPath: run.file(name), withDestinationPath: elsewhere)
    }
    let store = ImageStore(
      folder: path, shape: ImageShape(channels: 1, height: 2, width: 2), seed: 0, modelDigest: "m", runDigest: "r")
    let refused = #expect(throws: FormatError.self) { try store.write(Tensor([1, 1, 2, 2]), row: 0, index: 0) }
    #expect(
      refused?.message == "\(path)/images: a symbolic link where a folder should be; nothing is written through it")
    #expect(throws: FormatError.self) {
      try UnitRecord(unit: WorkUnits(of: 0...0)[0], run: "r", digests: ["d"]).write(inRun: path)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: elsewhere).isEmpty)
    // The run's own folder may be reached through a link.
    let link = temporary.file("link")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: temporary.file("other"))
    try FileManager.default.createDirectory(atPath: temporary.file("other"), withIntermediateDirectories: true)
    try UnitRecord(unit: WorkUnits(of: 0...0)[0], run: "r", digests: ["d"]).write(inRun: link)
    #expect(FileManager.default.fileExists(atPath: temporary.file("other/units/000000.json")))
  }

  @Test func movedFolderIsContinued() throws {
    let (path, moved) = (newPath(), newPath("moved"))
    _ = try open(path)
    try FileManager.default.moveItem(atPath: path, toPath: moved)
    #expect(try open(moved).isContinued)
  }

  @Test func otherConfigurationIsRefusedByKey() throws {
    let path = newPath()
    _ = try open(path, seed: 1)
    let difference = RunIdentity.Difference(key: "configuration.seed", found: "1", asked: "2")
    #expect(throws: RunError.differs(folder: path, differences: [difference])) { try open(path, seed: 2) }
    // The refusal changed nothing.
    #expect(try open(path, seed: 1).isContinued)
  }

  @Test func runInProgressIsRefused() throws {
    let path = newPath()
    let first = try open(path)
    #expect(throws: RunError.locked(folder: path, holder: .current)) { try open(path) }
    withExtendedLifetime(first) {}
  }

  @Test func folderOfOtherFilesIsRefusedUntouched() throws {
    let path = newPath()
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try Data().write(to: URL(fileURLWithPath: path + "/thesis.tex"))
    #expect(throws: RunError.foreign(folder: path, example: "thesis.tex")) { try open(path) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["thesis.tex"])
  }

  @Test func aNameThatIsNotUTF8IsSomebodysFileToo() throws {
    let path = newPath()
    try Folder.create(path)
    let name = (Array((path + "/").utf8) + [0xe9]).map { CChar(bitPattern: $0) } + [0]
    let descriptor = Foundation.open(name, O_CREAT | O_WRONLY, 0o644)
    #expect(descriptor >= 0 && close(descriptor) == 0)
    #expect(throws: RunError.foreign(folder: path, example: "\\xE9")) { try open(path) }
  }

  @Test func anImageOfAnotherShapeIsNotTheRuns() throws {
    let store = ImageStore(
      folder: newPath(), shape: ImageShape(channels: 1, height: 2, width: 3), seed: 0, modelDigest: "", runDigest: "")
    try Folder.create(store.folder + "/000000")
    try PNG.write(PixelImage(height: 3, width: 2, channels: 1, pixels: [0, 1, 2, 3, 4, 5]), to: store.path(of: 7))
    let error = #expect(throws: FormatError.self) { try store.read(7) }
    #expect(
      error?.description
        == """
        error[E-IMG-SIZE]: \(store.path(of: 7)): the image is 1x3x2 (channels x height x width), expected 1x2x3
        hint: delete the file and run the command again: it is drawn anew
        """)
  }

  @Test func damagedAndNewerRecordsAreRefused() throws {
    let path = newPath()
    _ = try open(path)
    let record = URL(fileURLWithPath: path + "/run.json")
    try Data("{".utf8).write(to: record)
    #expect(throws: RunError.self) { try open(path) }
    try Data(#"{"schema": 2, "identity": {}}"#.utf8).write(to: record)
    #expect(throws: RunError.newerSchema(path: record.path, found: 2, known: 1)) { try open(path) }
    try Data(#"{"schema": 1}"#.utf8).write(to: record)
    #expect(throws: RunError.damaged(path: record.path, reason: "it lacks the keys schema and identity")) {
      try open(path)
    }
    // What the system says of the file is no word about its content.
    try FileManager.default.removeItem(at: record)
    try FileManager.default.createDirectory(at: record, withIntermediateDirectories: false)
    #expect(throws: FormatError.file(record.path, .notRegular(found: "a folder"))) { try open(path) }
  }

  @Test func leftoversOfKilledWritersAreRemoved() throws {
    let path = newPath()
    _ = try open(path)
    let stale = try staleTemporary(in: path)
    _ = try open(path)
    #expect(!FileManager.default.fileExists(atPath: stale))
  }

  @Test func nothingIsWrittenThroughLinksAndPipes() throws {
    let victim = temporary.file("victim")
    try Data("precious".utf8).write(to: URL(fileURLWithPath: victim))
    for name in ["lock", "log.jsonl"] {
      let path = newPath("run-\(name)")
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      #expect(symlink(victim, path + "/" + name) == 0)
      let error = #expect(throws: FormatError.self) { try open(path) }
      #expect(error == .file("\(path)/\(name)", .notRegular(found: "a symbolic link")))
      #expect(error?.id == "E-IO-NOTFILE" && error?.exit.rawValue == 3)
      unlink(path + "/" + name)
      #expect(mkfifo(path + "/" + name, 0o600) == 0)
      #expect(throws: FormatError.self) { try open(path) }
    }
    #expect(try String(contentsOfFile: victim, encoding: .utf8) == "precious")
  }
}
