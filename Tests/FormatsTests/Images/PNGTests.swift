import Formats
import Tensors
import TestSupport
import Testing

@Suite struct PNGTests {
  static func pattern(height: Int, width: Int, channels: Int) -> PixelImage {
    PixelImage(
      height: height, width: width, channels: channels,
      pixels: (0..<(height * width * channels)).map { UInt8(truncatingIfNeeded: $0 * 37 + $0 / 11) })
  }

  @Test func sidesThatLibpngDoesNotWriteAreRefused() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/a.png"
      func image(_ width: Int) -> PixelImage {
        PixelImage(height: 1, width: width, channels: 1, pixels: [UInt8](repeating: 7, count: width))
      }
      let error = #expect(throws: FormatError.self) { try PNG.write(image(PNG.sideLimit + 1), to: path) }
      #expect(
        error?.description
          == """
          error[E-PNG-SIDES]: \(path): 1000001 x 1 pixels cannot be written, the limit of a side is 1000000
          hint: show fewer images beside and below each other (--grid)
          """)
      #expect(Folder.kind(of: path) == nil)
      try PNG.write(image(PNG.sideLimit), to: path)
      #expect(Folder.kind(of: path) == .file)
    }
  }

  @Test(arguments: [(1, 1, 1), (1, 1, 3), (28, 28, 1), (7, 13, 3), (64, 3, 3)])
  func roundTrip(_ height: Int, _ width: Int, _ channels: Int) throws {
    let image = Self.pattern(height: height, width: width, channels: channels)
    let texts = [("index", "123456"), ("seed", "18446744073709551615"), ("label", "sandále ✓")]
    let bytes = try PNG.encode(image, texts: texts)
    #expect(try PNG.decode(bytes, file: "a.png") == image)
    #expect(
      try PNG.texts(of: bytes, file: "a.png") == [
        "index": "123456", "seed": "18446744073709551615", "label": "sandále ✓",
      ])
    #expect(try PNG.encode(image, texts: texts) == bytes)
    #expect(try PNG.texts(of: PNG.encode(image), file: "a.png") == [:])
  }

  /// libpng is refused one piece of memory after the other, the smallest first: each time that is said, until nothing is refused.
  @Test func memoryThatIsRefusedIsNamed() throws {
    let image = Self.pattern(height: 40, width: 50, channels: 3)
    let bytes = try PNG.encode(image)
    func pieces(_ what: String, _ body: (_ largestBlock: Int) throws -> Void) throws -> [Int] {
      var pieces: [Int] = []
      while true {
        do {
          try body(pieces.last ?? 0)
          return pieces
        } catch let error as MemoryError {
          #expect(error.id == "E-MEMORY" && error.exit == .resource && error.what == what)
          try #require(error.needed > pieces.last ?? 0)
          pieces.append(error.needed)
        }
      }
    }
    // libpng's own structure, zlib's state and window.
    let encoding = try pieces("encoding a PNG image") { largest in
      let again = try PNG.encode(image, largestBlock: largest)
      #expect(again == bytes)
    }
    #expect(encoding.count >= 3 && encoding.contains { $0 >= 1 << 15 })
    let decoding = try pieces("decoding a PNG image") { largest in
      let decoded = try PNG.decodeWithOrigin(bytes, file: "a.png", largestBlock: largest).image
      #expect(decoded == image)
    }
    #expect(decoding.count >= 3)
  }

  @Test func theLimitOnPixelsIsCheckedBeforeDecoding() throws {
    let bytes = try PNG.encode(Self.pattern(height: 4, width: 5, channels: 1))
    #expect(throws: FormatError.png("a.png", .pixels(width: 5, height: 4, limit: 19))) {
      try PNG.decode(bytes, file: "a.png", pixelLimit: 19)
    }
    #expect(try PNG.decode(bytes, file: "a.png", pixelLimit: 20).width == 5)
  }

  @Test func aDamagedByteIsNamedByChunkAndOffset() throws {
    var bytes = try PNG.encode(Self.pattern(height: 8, width: 8, channels: 3))
    bytes[45] ^= 1
    #expect(
      thrownError { _ = try PNG.decode(bytes, file: "images/000012/012345.png") }.map { "\($0)" }
        == """
        error[E-PNG-CRC]: images/000012/012345.png: IDAT chunk at byte 33 fails its CRC
        hint: the file is incomplete; copy or download it again
        """)
  }
}

@Suite struct PixelConversionTests {
  @Test func everyLevelSurvives() {
    for level in 0...255 { #expect(PixelConversion.code(PixelConversion.value(UInt8(level))) == level) }
  }

  @Test func roundingAndClamping() {
    #expect(PixelConversion.code(-0.5) == 64)  // 63.75
    // 127.5, the one tie that Float reaches exactly; away from even it would be 127.
    #expect(PixelConversion.code(0) == 128)
    #expect([-2, -.infinity, -1, 1, 3, .infinity].map(PixelConversion.code) == [0, 0, 0, 255, 255, 255])
    #expect(PixelConversion.code(.nan) == 0)
  }

  @Test func layoutsAreTransposed() {
    let shape = ImageShape(channels: 3, height: 2, width: 2)
    let pixels = (0..<24).map { UInt8($0 * 10) }
    let images = PixelConversion.images(pixels, shape: shape)
    #expect(images.dims == [2, 3, 2, 2])
    // Image 1, channel 2, pixel (1, 0): N H W C index 12 + 2 * 3 + 2.
    #expect(images.values[12 + 2 * 4 + 2] == PixelConversion.value(200))
    #expect(PixelConversion.pixels(images) == pixels)
    #expect(PixelImage(images, image: 1).pixels == Array(pixels[12...]))
  }

  @Test func gridsPlaceImagesRowByRow() {
    let images = [UInt8(1), 2, 3].map { PixelImage(height: 1, width: 2, channels: 1, pixels: [$0, $0]) }
    var layout = GridLayout(images[0].shape, rows: 2, columns: 2)
    layout.padding = 1
    let grid = ImageGrid.compose(images, layout, background: 9)
    #expect(grid.shape == ImageShape(channels: 1, height: 5, width: 7))
    #expect(
      grid.pixels == [
        9, 9, 9, 9, 9, 9, 9,
        9, 1, 1, 9, 2, 2, 9,
        9, 9, 9, 9, 9, 9, 9,
        9, 3, 3, 9, 9, 9, 9,
        9, 9, 9, 9, 9, 9, 9,
      ])
  }
}
