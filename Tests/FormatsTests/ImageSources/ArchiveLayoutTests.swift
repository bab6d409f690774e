import Formats
import Tensors
import TestSupport
import Testing

/// Archives as other systems make them, and ones made to be slow.
@Suite struct ArchiveLayoutTests {
  @Test func whatMacOSAddsDoesNotChangeTheLayout() throws {
    let (mac, plain) = try (open("mac.zip"), open("plain.zip"))
    #expect(mac.count == 8 && mac.shape == plain.shape)
    #expect(try mac.allPixels() == plain.allPixels())
    #expect(mac.skipped.contains("__MACOSX/images/._000.png (hidden)"))
    #expect(mac.skipped.contains(".DS_Store (hidden)"))
  }

  private func open(_ name: String) throws -> any ImageSource {
    try ImageSources.open(Fixtures.path("archives/" + name))
  }

  private static let image = try! PNG.encode(PixelImage(height: 1, width: 1, channels: 1, pixels: [7]))

  private func open(
    _ members: [(name: String, bytes: [UInt8])], recursive: Bool = false
  ) throws -> any ImageSource {
    try withTemporaryFolder { folder in
      try AtomicFile.write(storedZip(members), to: folder + "/set.zip")
      return try ImageSources.open(folder + "/set.zip", options: .init(recursive: recursive))
    }
  }

  @Test func aNameOfManyLevelsTakesNoTime() throws {
    let deep = String(repeating: "a/", count: 32_000)
    let started = ContinuousClock.now
    let source = try open([(deep + "x.png", Self.image), (deep + "y.png", Self.image)])
    #expect(source.count == 2)
    #expect(ContinuousClock.now - started < .seconds(5))
  }

  @Test func imagesInFoldersAreSaidToNeedRecursive() throws {
    let members = (0..<7).map { ("n\($0 % 2)/\($0).png", Self.image) }
    let error = thrownError { _ = try open(members) } as? FormatError
    #expect(error?.id == "E-IMG-EMPTY")
    #expect(error?.hint == "--recursive reads the images in its folders: 7, such as n0/0.png")
    #expect(try open(members, recursive: true).count == 7)
  }

  @Test func backslashesAreSaidToBeBackslashes() throws {
    let error = thrownError { _ = try open([("images\\000.png", Self.image)]) }
    #expect(
      error.map { "\($0)" }?.contains(
        "member \"images\\000.png\": it has a backslash; names in an archive have slashes")
        == true)
  }

  /// Names are looked up: ten times the members take ten times as long, not a hundred.
  @Test func arraysAreFoundAmongMany() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/many.npz"
      try NPZ.write(to: path) { writer in
        for number in 0..<20_000 { try writer.add("array-\(number)", StoredTensor(dims: [1], [UInt8(1)])) }
      }
      let started = ContinuousClock.now
      let file = try NPZFile(path)
      for name in file.names { _ = try file.open(name) }
      #expect(ContinuousClock.now - started < .seconds(20))
    }
  }

  /// An entry that nobody asks for hinders nobody.
  @Test func otherMembersAreNamedAndPassedOver() throws {
    let file = try NPZFile(Fixtures.path("statistics/with-name.npz"))
    #expect(try file.tensor("mu").dims == [16])
    #expect((thrownError { _ = try file.open("name") } as? FormatError)?.id == "E-NPY-DTYPE")
    try withTemporaryFolder { folder in
      let (array, path) = (folder + "/a.npy", folder + "/a.npz")
      try NPY.write(StoredTensor(dims: [1], [UInt8(1)]), to: array)
      let bytes = try InputFile.contents(of: array, limit: 1000)
      try AtomicFile.write(storedZip([("a.npy", bytes), ("README.md", [1])]), to: path)
      #expect(try NPZFile(path).names == ["a"] && NPZFile(path).others == ["README.md"])
      try AtomicFile.write(storedZip([("README.md", [1])]), to: path)
      #expect((thrownError { _ = try NPZFile(path) } as? FormatError)?.id == "E-NPY-MEMBER")
    }
  }
}
