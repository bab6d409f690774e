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
      let dead = ".a.png.halftone-\(process.processIdentifier).tmp"
      let alive = ".b.png.halftone-\(ProcessInfo.processInfo.processIdentifier).tmp"
      for name in [dead, alive, ".other.tmp", "a.png"] { try AtomicFile.write("", to: folder + "/" + name) }
      try AtomicFile.removeStale(in: folder)
      let left = try Folder.names(in: folder)
      #expect(left == [alive, ".other.tmp", "a.png"])
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
