import Formats
import Tensors
import TestSupport
import Testing

@Suite struct HDF5Tests {
  private static func rows(_ count: Int, from start: Int = 0) -> StoredTensor {
    StoredTensor(Tensor([count, 2, 3], (0..<(count * 6)).map { Float(start * 6 + $0) / 7 }))
  }

  private static func write(_ path: String) throws {
    try HDF5.write(to: path) { writer in
      try writer.create("step-000/x", type: .f32, rowDims: [2, 3])
      try writer.create("step-001/x", type: .f32, rowDims: [2, 3], rows: 5)
      try writer.append("step-000/x", rows(3))
      try writer.append("step-001/x", rows(2))
      try writer.append("step-000/x", rows(4, from: 3))
      try writer.append("step-001/x", rows(3, from: 2))
      try writer.add("labels", StoredTensor(dims: [3], [1, -1, 1 << 40] as [Int64]))
      try writer.add("sums", StoredTensor(dims: [1, 2], [Double.pi, -0.0]))
      try writer.add("bytes", StoredTensor(dims: [4], [0, 1, 2, 255] as [UInt8]))
      try writer.attribute("schema", "1")
      try writer.attribute("note", "")
      try writer.attribute("unit", "training timestep, é", of: "labels")
    }
  }

  @Test func roundTripThroughTheReadingProcess() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/set.h5"
      try Self.write(path)
      #expect(try Folder.names(in: folder) == ["set.h5"])
      let file = try HDF5File(path, reader: BuiltProgram.reader)
      #expect(file.attributes == ["schema": "1", "note": ""])
      #expect(file.datasets.map(\.name) == ["bytes", "labels", "step-000/x", "step-001/x", "sums"])
      #expect(try file.dataset("labels").attributes == ["unit": "training timestep, é"])
      #expect(try file.tensor("step-000/x") == Self.rows(7))
      #expect(try file.tensor("step-001/x") == Self.rows(5))
      #expect(try file.rows("step-000/x", 2..<6) == Self.rows(4, from: 2))
      #expect(try file.rows("step-000/x", 7..<7).dims == [0, 2, 3])
      #expect(try file.tensor("labels").integers(Int64.self) == [1, -1, 1 << 40])
      #expect(try file.tensor("sums").doubles().map(\.bitPattern) == [Double.pi.bitPattern, (-0.0).bitPattern])
      #expect(try file.tensor("bytes").bytes == [0, 1, 2, 255])
      #expect(throws: FormatError.hdf5(path, .rows(name: "labels", asked: 2..<4, has: 3))) {
        try file.rows("labels", 2..<4)
      }
      #expect(
        thrownError { _ = try file.tensor("x") }.map { "\($0)" } == """
          error[E-H5-MISSING]: \(path): holds no dataset "x"
          hint: it holds "bytes", "labels", "step-000/x", "step-001/x", "sums"
          """)
    }
  }

  @Test func equalContentGivesEqualBytes() throws {
    try withTemporaryFolder { folder in
      try Self.write(folder + "/a.h5")
      try Self.write(folder + "/b.h5")
      #expect(try Digest.sha256(file: folder + "/a.h5") == Digest.sha256(file: folder + "/b.h5"))
    }
  }

  /// Datasets of known length stand in the same place whatever the order in which their rows come.
  @Test func announcedRowsMayInterleaveInAnyWay() throws {
    try withTemporaryFolder { folder in
      for (name, order) in [("a", [0, 0, 1, 1]), ("b", [1, 0, 1, 0])] {
        try HDF5.write(to: "\(folder)/\(name).h5") { writer in
          for dataset in 0..<2 { try writer.create("x\(dataset)", type: .f32, rowDims: [2, 3], rows: 2) }
          var next = [0, 0]
          for dataset in order {
            try writer.append("x\(dataset)", Self.rows(1, from: next[dataset]))
            next[dataset] += 1
          }
        }
      }
      #expect(try Digest.sha256(file: folder + "/a.h5") == Digest.sha256(file: folder + "/b.h5"))
    }
  }

  @Test func largeDatasetsComeInPieces() throws {
    try withTemporaryFolder { folder in
      let values = (0..<(5 << 20)).map { Float($0) }
      try HDF5.write(to: folder + "/large.h5") { try $0.add("x", StoredTensor(Tensor([5 << 10, 1 << 10], values))) }
      #expect(try HDF5File(folder + "/large.h5", reader: BuiltProgram.reader).tensor("x").floats()?.values == values)
    }
  }

  @Test func aReaderThatDiesIsAnErrorOfTheFile() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/set.h5"
      try Self.write(path)
      let cases: [(String, FormatError)] = [
        ("kill -SEGV $$", .hdf5(path, .crash("signal 11, Segmentation fault"))),
        ("exit 7", .hdf5(path, .crash("exit status 7"))),
        ("exec sleep 60", .hdf5(path, .timeout(seconds: 1))),
        (#"printf '\0\377\377\377\377'"#, .hdf5(path, .reply("4294967295 bytes that were not asked for"))),
        (#"printf '\7\0\0\0\0'"#, .hdf5(path, .reply("an unknown kind of message"))),
        (#"printf '\1\3\0\0\0abc'"#, .hdf5(path, .reply("a refusal without a reason"))),
        (#"printf '\0\4\0\0\0\377\377\377\377\0\0\0\0\0'"#, .hdf5(path, .reply("less than it announced"))),
      ]
      for (number, (script, expected)) in cases.enumerated() {
        let executable = "\(folder)/reader-\(number)"
        // Reading the request first: a socket closed with unread data loses what was sent.
        try AtomicFile.write("#!/bin/sh\nhead -c 21 >/dev/null\n\(script)\n", to: executable)
        try #require(makeExecutable(executable))
        let error =
          thrownError { _ = try HDF5File(path, reader: HDF5Reader(program: executable), seconds: 1) } as? FormatError
        #expect(error == expected)
        #expect(error?.exit == .refusedInput)
      }
      #expect(throws: FormatError.hdf5(path, .start("/none: No such file or directory"))) {
        try HDF5File(path, reader: HDF5Reader(program: "/none"))
      }
      #expect(throws: FormatError.hdf5(path, .noReader)) { try HDF5File(path, reader: .none) }
    }
  }
}
