import Formats
import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct FileTests {
  @Test func digestOfKnownTexts() throws {
    #expect(Digest.sha256([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(Digest.sha256(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  @Test func failedWritesLeaveNothingBehind() throws {
    struct Stop: Error {}
    try withTemporaryFolder { folder in
      let path = folder + "/a.txt"
      try AtomicFile.write("old", to: path)
      #expect(throws: Stop.self) {
        try AtomicFile.write(to: path) { output in
          try output.write(Array("new".utf8))
          throw Stop()
        }
      }
      #expect(try InputFile.contents(of: path, limit: 10) == Array("old".utf8))
      #expect(try Folder.names(in: folder) == ["a.txt"])
    }
  }

  @Test func staleTemporariesOfDeadProcessesAreRemoved() throws {
    try withTemporaryFolder { folder in
      let process = Process()
      process.executableURL = URL(filePath: "/bin/true")
      try process.run()
      process.waitUntilExit()
      // This host's mark is learned from a file that is being written.
      var alive = ""
      try AtomicFile.withTemporary(for: folder + "/b.png") { temporary in
        alive = (temporary as NSString).lastPathComponent
        let fields = alive.split(separator: "-")
        let dead = "\(fields[0])-\(fields[1])-\(process.processIdentifier)-1.tmp"
        let foreign = ".halftone-00000000-\(process.processIdentifier)-1.tmp"
        let old = ".halftone-00000000-\(process.processIdentifier)-2.tmp"
        let others = [".halftone-x.tmp", ".other.tmp", "a.png"]
        for name in [dead, foreign, old] + others { try AtomicFile.write("", to: folder + "/" + name) }
        var times = [timeval(tv_sec: 1_000_000_000, tv_usec: 0), timeval(tv_sec: 1_000_000_000, tv_usec: 0)]
        #expect(utimes(folder + "/" + old, &times) == 0)
        try TemporaryFiles.removeStale(in: folder)
        #expect(try Set(Folder.names(in: folder)) == Set([alive, foreign] + others))
      }
    }
  }

  @Test func namesMayBeAsLongAsNamesMayBe() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/" + String(repeating: "n", count: 255)
      try AtomicFile.write("whole", to: path)
      #expect(try InputFile.contents(of: path, limit: 10) == Array("whole".utf8))
      #expect(throws: FormatError.file(path + "n", .badName("too long"))) { try AtomicFile.write("", to: path + "n") }
    }
  }

  @Test func targetsThatCannotBeWrittenAreRefusedBeforehand() throws {
    try withTemporaryFolder { folder in
      try AtomicFile.write("", to: folder + "/file")
      let cases: [(String, FormatError)] = [
        ("", .file("", .badName("empty"))), ("/", .file("/", .notRegular(found: "a folder"))),
        (folder + "/", .file(folder + "/", .notRegular(found: "a folder"))),
        (folder, .file(folder, .notRegular(found: "a folder"))),
        (folder + "/none/a", .file(folder + "/none", .notFound)),
        (folder + "/file/a", .file(folder + "/file", .notFolder(found: "a file"))),
      ]
      for (path, expected) in cases { #expect(throws: expected) { try AtomicFile.checkTarget(path) } }
      try AtomicFile.checkTarget(folder + "/new")
      try AtomicFile.prepareTarget(folder + "/made/a")
      #expect(Folder.kind(of: folder + "/made") == .folder)
    }
  }

  @Test func aFileThatFailsItsCheckNeverGetsItsName() throws {
    struct Bad: Error {}
    try withTemporaryFolder { folder in
      let path = folder + "/a"
      try AtomicFile.write("old", to: path)
      #expect(throws: Bad.self) {
        try AtomicFile.write(
          to: path,
          verify: { temporary in
            #expect(try InputFile.contents(of: temporary, limit: 10) == Array("new".utf8))
            throw Bad()
          }
        ) { try $0.write(Array("new".utf8)) }
      }
      #expect(try InputFile.contents(of: path, limit: 10) == Array("old".utf8))
      #expect(try Folder.names(in: folder) == ["a"])
    }
  }

  @Test func linksAndPipesAreNotOpenedForWriting() throws {
    try withTemporaryFolder { folder in
      try AtomicFile.write("precious", to: folder + "/victim")
      #expect(symlink(folder + "/victim", folder + "/link") == 0)
      #expect(mkfifo(folder + "/fifo", 0o600) == 0)
      for (name, found) in [("link", "a symbolic link"), ("fifo", "a pipe or a socket")] {
        #expect(throws: FormatError.file("\(folder)/\(name)", .notRegular(found: found))) {
          _ = try PlainFile.open("\(folder)/\(name)", O_WRONLY | O_CREAT | O_APPEND)
        }
      }
      // Open at both ends, so that a pipe is no error for the system.
      #expect(throws: FormatError.file(folder + "/fifo", .notRegular(found: "a pipe"))) {
        _ = try PlainFile.open(folder + "/fifo", O_RDWR | O_CREAT)
      }
      #expect(try InputFile.contents(of: folder + "/victim", limit: 10) == Array("precious".utf8))
    }
  }

  @Test func aShrinkingFileIsAnError() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/a"
      try AtomicFile.write([UInt8](repeating: 1, count: 100), to: path)
      let file = try InputFile(path)
      #expect(truncate(path, 50) == 0)
      #expect(throws: FormatError.file(path, .changed(size: 100, at: 100))) { try file.contents() }
    }
  }

  /// name, how to make it, error
  @Test func irregularFilesAreRefusedByName() throws {
    try withTemporaryFolder { folder in
      let fifo = folder + "/fifo"
      #expect(mkfifo(fifo, 0o600) == 0)
      #expect(symlink(folder + "/loop", folder + "/loop") == 0)
      let cases: [(String, FileProblem)] = [
        (folder, .notRegular(found: "a folder")), (fifo, .notRegular(found: "a pipe")),
        ("/dev/zero", .notRegular(found: "a device")), (folder + "/none", .notFound), (folder + "/loop", .linkLoop),
        ("", .badName("empty")), ("a\0b", .badName("it contains a NUL character")),
        (folder + "/" + String(repeating: "x", count: 300), .badName("too long")),
      ]
      for (path, problem) in cases {
        let error = thrownError { _ = try InputFile(path) } as? FormatError
        #expect(error == .file(path, problem))
        #expect(error?.exit == .refusedInput)
      }
      #expect(throws: FormatError.file("/dev/null", .notRegular(found: "a device"))) {
        try AtomicFile.write("", to: "/dev/null")
      }
    }
  }

  @Test func foldersAreCreatedWithTheirParents() throws {
    try withTemporaryFolder { folder in
      try Folder.create(folder + "/a/b/c")
      try Folder.create(folder + "/a/b/c")
      #expect(Folder.kind(of: folder + "/a/b/c") == .folder)
      try AtomicFile.write("", to: folder + "/file")
      #expect(throws: FormatError.self) { try Folder.create(folder + "/file") }
    }
  }

  @Test func messagesHaveTheOneShape() {
    let error = FormatError.safetensors("a\nb.safetensors", .tooShort(size: 3))
    #expect(
      error.description
        == #"error[E-ST-SHORT]: a\u{a}b.safetensors: 3 bytes; a safetensors file starts with an 8-byte header length and a header"#
    )
    let position = TextPosition(of: 5, in: Array("ab\ncdef".utf8))
    #expect(
      FormatError.json("c.json", .duplicateKey("k"), position).description
        == #"error[E-JSON-DUPLICATE]: c.json: line 2, column 3 (byte 5): key "k" stands twice in one map"#)
  }
}
