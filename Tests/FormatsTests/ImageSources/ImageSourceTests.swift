import Formats
import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct ImageSourceTests {
  private static let shape = ImageShape(channels: 3, height: 4, width: 5)

  private static func image(_ level: Int, shape: ImageShape = shape) -> PixelImage {
    PixelImage(
      height: shape.height, width: shape.width, channels: shape.channels,
      pixels: [UInt8](repeating: UInt8(level), count: shape.count))
  }

  /// The first sample of every image, with batches of `size`.
  private static func levels(_ source: any ImageSource, size: Int = 2) throws -> [Int] {
    var levels: [Int] = []
    try source.forEachBatch(of: size) { batch in
      #expect(batch.start == levels.count)
      for image in 0..<batch.count { levels.append(Int(batch.pixels[image * batch.shape.count])) }
    }
    return levels
  }

  @Test func foldersAreReadInTheOrderOfTheirPathsBytes() throws {
    try withTemporaryFolder { folder in
      let names = ["b.png", "a/2.png", "a.PNG", "a/10.png", "Z.png", "é.png"]
      try Folder.create(folder + "/a")
      for name in names { try PNG.write(Self.image(names.firstIndex(of: name)!), to: "\(folder)/\(name)") }
      try AtomicFile.write("", to: folder + "/.hidden.png")
      try AtomicFile.write("", to: folder + "/notes.txt")
      #expect(symlink(folder, folder + "/loop") == 0)
      #expect(symlink(folder + "/none", folder + "/dangling.png") == 0)
      let source = try #require(
        try ImageSources.open(folder, options: .init(recursive: true)) as? ImageFiles)
      #expect(source.names == ["Z.png", "a.PNG", "a/10.png", "a/2.png", "b.png", "é.png"])
      #expect(try Self.levels(source) == [4, 2, 3, 1, 0, 5])
      #expect(
        source.skipped == [
          ".hidden.png (hidden)", "dangling.png (a link that leads nowhere)", "loop (a link to a folder)",
          "notes.txt (not a .png, .jpg or .jpeg file)",
        ])
      // Folders in a set count only when asked for.
      let flat = try ImageSources.open(folder)
      #expect(try Self.levels(flat) == [4, 2, 0, 5])
      #expect(
        flat.skipped.suffix(2) == ["a/10.png (in a folder of the set)", "a/2.png (in a folder of the set)"])
    }
  }

  @Test func namesThatAreNotUTF8AreSaidToBe() throws {
    try withTemporaryFolder { folder in
      try PNG.write(Self.image(1), to: folder + "/a.png")
      // Swift's repair of the first name is the second one.
      try PNG.write(Self.image(2), to: folder + "/b\u{fffd}.png")
      for name in [Array("b".utf8) + [0xe9] + Array(".png".utf8), [0x2e, 0xff], Array("a\\".utf8) + [0x80, 0x0a]] {
        let path = (Array((folder + "/").utf8) + name).map { CChar(bitPattern: $0) } + [0]
        let descriptor = open(path, O_CREAT | O_WRONLY, 0o644)
        #expect(descriptor >= 0 && close(descriptor) == 0)
      }
      let source = try #require(try ImageSources.open(folder) as? ImageFiles)
      #expect(source.names == ["a.png", "b\u{fffd}.png"])
      #expect(
        source.skipped == [
          ".\\xFF (hidden)", "a\\\\x80\\x0A (its name is not UTF-8)", "b\\xE9.png (its name is not UTF-8)",
        ])
      let listing = try Folder.listing(of: folder)
      #expect(listing.names == ["a.png", "b\u{fffd}.png"])
      #expect(listing.unreachable == [".\\xFF", "a\\\\x80\\x0A", "b\\xE9.png"])
    }
  }

  @Test func ofARunFolderOnlyTheImagesCount() throws {
    try withTemporaryFolder { folder in
      try Folder.create(folder + "/images/000000")
      try Folder.create(folder + "/images/000001")
      try AtomicFile.write("{}", to: folder + "/run.json")
      try PNG.write(Self.image(9, shape: .init(channels: 3, height: 9, width: 9)), to: folder + "/grid.png")
      try PNG.write(Self.image(1), to: folder + "/images/000001/001000.png")
      try PNG.write(Self.image(0), to: folder + "/images/000000/000999.png")
      let source = try ImageSources.open(folder)
      #expect(try Self.levels(source) == [0, 1])
      #expect(source.shape == Self.shape)
      // A run's images know who they are; with one file of another form nobody can number the folder.
      #expect(source.namesIndices && (0..<2).map(source.imageIndex) == [999, 1000])
      #expect(source.positions(of: 1000...5000) == 1..<2 && source.positions(of: 0...998).isEmpty)
      for name in ["000001/000999.png", "000001/001000 copy.png", "other.png"] {
        let copy = folder + "/images/" + name
        try PNG.write(Self.image(2), to: copy)
        let error = FormatError.images(folder + "/images", .mixedNames(others: [name], run: 2))
        #expect(error.id == "E-IMG-NAMES")
        #expect(throws: error) { try ImageSources.open(folder) }
        unlink(copy)
      }
      #expect(try ImageSources.open(folder).namesIndices)
    }
  }

  /// Names of seven digits and more do not sort as their numbers do.
  @Test func imagesBeyondABillionAreInTheirOrder() throws {
    try withTemporaryFolder { folder in
      let indices = [999_999_999, 1_000_000_000, 1_000_000_001]
      for (level, index) in indices.enumerated() {
        try Folder.create(folder + "/\(index / 1000)")
        try PNG.write(Self.image(level), to: folder + "/\(index / 1000)/\(index).png")
      }
      let source = try ImageSources.open(folder)
      #expect((0..<3).map(source.imageIndex) == indices)
      #expect(try Self.levels(source) == [0, 1, 2])
      #expect(source.positions(of: 999_999_999...999_999_999) == 0..<1 && source.positions(of: 5...6).isEmpty)
    }
  }

  @Test func namesOfARunBesideOthersAreRefusedWithoutItsRecordToo() throws {
    try withTemporaryFolder { folder in
      try Folder.create(folder + "/000000")
      try PNG.write(Self.image(0), to: folder + "/000000/000002.png")
      #expect(try ImageSources.open(folder).imageIndex(at: 0) == 2)
      try PNG.write(Self.image(1), to: folder + "/copy.png")
      #expect(throws: FormatError.images(folder, .mixedNames(others: ["copy.png"], run: 1))) {
        try ImageSources.open(folder)
      }
    }
  }

  /// A ZIP file of a folder holds the folder's images, in the folder's order.
  @Test func zipFilesAreReadAsTheirFolders() throws {
    try withTemporaryFolder { folder in
      func member(_ name: String, _ level: Int) throws -> (name: String, bytes: [UInt8]) {
        (name, try PNG.encode(Self.image(level)))
      }
      func open(_ members: [(name: String, bytes: [UInt8])], recursive: Bool = false) throws -> any ImageSource {
        try AtomicFile.write(storedZip(members), to: folder + "/set")
        return try ImageSources.open(folder + "/set", options: .init(recursive: recursive))
      }
      let flat = try open([member("b.png", 1), member("a.png", 0), ("notes.txt", []), member("c/d.png", 2)])
      #expect(try Self.levels(flat) == [0, 1])
      #expect(flat.skipped == ["notes.txt (not a .png, .jpg or .jpeg file)", "c/d.png (in a folder of the set)"])
      let all = try open([member("b.png", 1), member("a.png", 0), member("c/d.png", 2)], recursive: true)
      #expect(try Self.levels(all) == [0, 1, 2])
      // The folder that everything lies in is passed over.
      let inFolder = try open([("set/", []), member("set/2.png", 1), member("set/10.png", 0), member("set/.x.png", 3)])
      #expect(try Self.levels(inFolder) == [0, 1] && inFolder.skipped == [".x.png (hidden)"])
      #expect(!inFolder.namesIndices)
      // A zipped run folder: its images only, with their indices.
      let run = try open([
        ("run/run.json", Array("{}".utf8)), member("run/grid.png", 9), member("run/images/000001/001000.png", 1),
        member("run/images/000000/000999.png", 0),
      ])
      #expect(try Self.levels(run) == [0, 1] && run.namesIndices && run.imageIndex(at: 1) == 1000)
      let damaged = try open([member("a.png", 0), ("b.png", [1, 2, 3])])
      #expect(
        thrownError { try damaged.forEachBatch(of: 2) { _ in } }.map { "\($0)" }?.contains("\(folder)/set/b.png")
          == true)
    }
  }

  /// Every kind of source hands over the same images for the same positions, in batches of any size.
  @Test func partsOfASourceAreTheImagesAtTheirPositions() throws {
    try withTemporaryFolder { folder in
      try Folder.create(folder + "/png")
      let pixels = (0..<7).map { Self.image($0) }
      for (index, image) in pixels.enumerated() { try PNG.write(image, to: folder + "/png/\(index).png") }
      let samples = StoredTensor(dims: [7, 4, 5, 3], pixels.flatMap(\.pixels))
      try NPZ.write(TensorArchive(tensors: ["arr_0": samples]), to: folder + "/samples.npz")
      try AtomicFile.write(
        [0, 0, 8, 4, 0, 0, 0, 7, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 3] + samples.bytes, to: folder + "/idx")
      for name in ["png", "samples.npz", "idx"] {
        let source = try ImageSources.open("\(folder)/\(name)")
        #expect(source.positions(of: 2...4) == 2..<5 && source.positions(of: 5...99) == 5..<7)
        for (size, positions) in [(2, 1..<6), (3, 0..<7), (1, 3..<4), (9, 2..<7), (2, 4..<4)] {
          var found: [Int] = []
          try source.forEachBatch(of: size, in: positions) { batch in
            #expect(batch.start == positions.lowerBound + found.count)
            for image in 0..<batch.count { found.append(Int(batch.pixels[image * batch.shape.count])) }
          }
          #expect(found == Array(positions), "\(name), batches of \(size)")
        }
      }
    }
  }

  @Test func mixedSizesNameBothFiles() throws {
    try withTemporaryFolder { folder in
      try PNG.write(Self.image(0), to: folder + "/a.png")
      try PNG.write(Self.image(0, shape: .init(channels: 1, height: 4, width: 5)), to: folder + "/b.png")
      let source = try ImageSources.open(folder)
      #expect(
        thrownError { try source.forEachBatch(of: 8) { _ in } }.map { "\($0)" }
          == """
          error[E-IMG-SIZE]: \(folder): images differ in channels x height x width: "a.png" is 3x4x5, "b.png" is 1x4x5
          hint: score images of one size
          """)
      // Where sizes may differ, a batch ends with its size.
      for name in ["c", "d"] { try PNG.write(Self.image(0), to: folder + "/\(name).png") }
      var batches: [[Int]] = []
      let mixed = try ImageSources.open(folder, options: .init(mixedSizes: true))
      try mixed.forEachBatch(of: 8) { batches.append([$0.start, $0.count, $0.shape.channels]) }
      #expect(batches == [[0, 1, 3], [1, 1, 1], [2, 2, 3]])
    }
  }

  @Test func foldersWithoutImagesSayWhatTheyHold() throws {
    try withTemporaryFolder { folder in
      try AtomicFile.write("", to: folder + "/a.webp")
      let error = thrownError { _ = try ImageSources.open(folder) } as? FormatError
      #expect(error?.id == "E-IMG-EMPTY")
      #expect(error?.hint == "skipped: a.webp (not a .png, .jpg or .jpeg file)")
    }
  }

  /// What a file is, its first bytes say; batches count what a score should be read with.
  @Test func jpegsAndAlphaAreCounted() throws {
    try withTemporaryFolder { folder in
      let jpeg = try InputFile.contents(of: Fixtures.path("jpeg/colours-420.jpg"), limit: 1 << 20)
      let decoded = try JPEG.decode(jpeg, file: "jpeg")
      for name in ["a.jpg", "b.JPEG", "c.png"] { try AtomicFile.write(jpeg, to: "\(folder)/\(name)") }
      try PNG.write(decoded, to: folder + "/d.jpg")
      let set = try ImageSources.open(folder)
      var batches: [ImageBatch] = []
      try set.forEachBatch(of: 3) { batches.append($0) }
      #expect(batches.map(\.origins) == [ImageOrigins(jpegs: 3), ImageOrigins()])
      #expect(
        batches[0].pixels == decoded.pixels + decoded.pixels + decoded.pixels && batches[1].pixels == decoded.pixels)
      try AtomicFile.write(storedZip([("x.jpg", jpeg), ("y.jpg", Array("RIFF".utf8))]), to: folder + "/set.zip")
      let zip = try ImageSources.open(folder + "/set.zip")
      var origins: [ImageOrigins] = []
      let error = thrownError { try zip.forEachBatch(of: 1) { origins.append($0.origins) } }
      #expect(origins == [ImageOrigins(jpegs: 1)])
      #expect(
        error.map { "\($0)" }
          == "error[E-JPEG-SIGNATURE]: \(folder)/set.zip/y.jpg: not a JPEG image; it looks like a WebP image")
    }
    try withTemporaryFolder { folder in
      // Grey with alpha, 2 x 1, both pixels opaque: a stored block in zlib's format.
      try AtomicFile.write(Self.greyAlphaPNG([7, 255, 9, 255]), to: folder + "/a.png")
      try PNG.write(PixelImage(height: 1, width: 2, channels: 1, pixels: [7, 9]), to: folder + "/b.png")
      try ImageSources.open(folder).forEachBatch(of: 2) { batch in
        #expect(batch.pixels == [7, 9, 7, 9] && batch.origins == ImageOrigins(droppedAlphas: 1))
      }
      try AtomicFile.write(Self.greyAlphaPNG([7, 255, 9, 254]), to: folder + "/a.png")
      #expect(throws: FormatError.png(folder + "/a.png", .transparent(x: 1, y: 0))) {
        try ImageSources.open(folder)
      }
    }
  }

  /// A PNG file of one row of two pixels, grey and alpha.
  private static func greyAlphaPNG(_ samples: [UInt8]) -> [UInt8] {
    func big(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
    func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
      var crc = UInt32.max
      for byte in Array(type.utf8) + data {
        crc ^= UInt32(byte)
        for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
      }
      return big(UInt32(data.count)) + Array(type.utf8) + data + big(~crc)
    }
    let row = [0] + samples
    var (a, b): (UInt32, UInt32) = (1, 0)
    for byte in row { (a, b) = ((a + UInt32(byte)) % 65521, (b + a + UInt32(byte)) % 65521) }
    let stream: [UInt8] = [0x78, 0x01, 1, UInt8(row.count), 0, ~UInt8(row.count), 0xff] + row + big(b << 16 | a)
    return [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
      + chunk("IHDR", big(2) + big(1) + [8, 4, 0, 0, 0]) + chunk("IDAT", stream) + chunk("IEND", [])
  }

  @Test func samplesInNumPyArrays() throws {
    let pixels = (0..<5).flatMap { [UInt8](repeating: UInt8($0), count: Self.shape.count) }
    let samples = StoredTensor(dims: [5, 4, 5, 3], pixels)
    let labels = StoredTensor(dims: [5], [0, 1, 2, 3, 4] as [Int64])
    try withTemporaryFolder { folder in
      try NPZ.write(TensorArchive(tensors: ["arr_0": samples, "arr_1": labels]), to: folder + "/two.npz")
      try NPZ.write(TensorArchive(tensors: ["x": samples]), to: folder + "/one.npz")
      try NPY.write(samples, to: folder + "/a.npy")
      try NPY.write(StoredTensor(dims: [25, 4, 3], pixels), to: folder + "/grey.npy")
      for name in ["two.npz", "one.npz", "a.npy"] {
        let source = try ImageSources.open("\(folder)/\(name)")
        #expect(source.count == 5 && source.shape == Self.shape)
        #expect(try Self.levels(source) == [0, 1, 2, 3, 4])
        #expect(try Self.levels(source, size: 100) == [0, 1, 2, 3, 4])
      }
      #expect(try ImageSources.open(folder + "/grey.npy").shape == ImageShape(channels: 1, height: 4, width: 3))
      try NPY.write(labels, to: folder + "/labels.npy")
      #expect(throws: FormatError.images(folder + "/labels.npy", .shape([5], name: "labels.npy"))) {
        try ImageSources.open(folder + "/labels.npy")
      }
      try NPY.write(StoredTensor(Tensor([1, 2, 2, 1])), to: folder + "/float.npy")
      #expect(throws: FormatError.images(folder + "/float.npy", .elementType(.f32, name: "float.npy"))) {
        try ImageSources.open(folder + "/float.npy")
      }
    }
  }

  @Test func idxFilesPlainAndCompressed() throws {
    let pixels = (0..<12).map { UInt8($0) }
    let images: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2] + pixels
    try withTemporaryFolder { folder in
      try AtomicFile.write(images, to: folder + "/images.idx")
      let process = Process()
      process.executableURL = URL(filePath: "/bin/gzip")
      process.arguments = ["-k", folder + "/images.idx"]
      try process.run()
      process.waitUntilExit()
      for suffix in ["", ".gz"] {
        let source = try ImageSources.open(folder + "/images.idx" + suffix)
        #expect(source.shape == ImageShape(channels: 1, height: 2, width: 2))
        #expect(try Self.levels(source) == [0, 4, 8])
        #expect(try source.allPixels() == pixels)
      }
    }
  }

  @Test func whatIsNoSetOfImagesIsNamed() throws {
    try withTemporaryFolder { folder in
      for (bytes, found) in [
        (try PNG.encode(Self.image(1)), "a PNG image"), ([], "an empty file"),
        ([0xff, 0xd8, 0xff, 0xe0], "a JPEG image"),
        (Array("hello world".utf8), "a file that starts with bytes 68 65 6c 6c 6f 20 77 6f"),
      ] {
        try AtomicFile.write(bytes, to: folder + "/file")
        let error = thrownError { _ = try ImageSources.open(folder + "/file") } as? FormatError
        #expect(error == .images(folder + "/file", .notImages(FirstBytes(bytes))))
        #expect(error?.message.hasSuffix("an .npz or .npy of samples or an IDX file, found \(found)") == true)
      }
    }
  }
}
