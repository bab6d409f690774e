import Formats
import TestSupport
import Testing

/// PNGs of 16 bits, and with bytes behind their end.
@Suite struct PNGDepthTests {
  /// Pixels as Pillow converts the same file to RGB; grey ones are repeated there.
  @Test("16 bits become 8 as in Pillow", arguments: [("grey16", 1), ("colours16", 3)])
  func pillow(name: String, channels: Int) throws {
    try withTemporaryFolder { folder in
      let path = folder + "/a.png"
      try AtomicFile.write(try bytes(name), to: path)
      let source = try ImageSources.open(folder, options: .init(depth: .pillow))
      let expected = try PNG.read(Fixtures.path("png/\(name)-pillow.png"))
      var count = 0
      try source.forEachBatch(of: 1) { batch in
        count += batch.origins.sixteenBits
        let repeated = batch.pixels.flatMap { [UInt8](repeating: $0, count: 3 / channels) }
        #expect(repeated == expected.pixels)
      }
      #expect(count == 1)
    }
  }

  @Test func withoutAProgramToFollowTheNearestLevelIsTaken() throws {
    let image = try PNG.decode(bytes("colours16"), file: "a.png")
    let cut = try PNG.read(Fixtures.path("png/colours16-pillow.png"))
    #expect(image.pixels != cut.pixels)
    #expect(zip(image.pixels, cut.pixels).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
  }

  @Test func bytesBehindTheEndArePassedOverAndCounted() throws {
    try withTemporaryFolder { folder in
      let image = PixelImage(height: 2, width: 2, channels: 1, pixels: [1, 2, 3, 4])
      try AtomicFile.write(try PNG.encode(image) + [UInt8](repeating: 9, count: 20), to: folder + "/a.png")
      try ImageSources.open(folder).forEachBatch(of: 1) { batch in
        #expect(batch.pixels == image.pixels && batch.origins == ImageOrigins(trailing: 1))
      }
    }
  }

  private func bytes(_ name: String) throws -> [UInt8] {
    try InputFile.contents(of: Fixtures.path("png/\(name).png"), limit: 1 << 20)
  }
}
