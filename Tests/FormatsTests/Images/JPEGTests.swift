import Formats
import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct JPEGTests {
  private static func bytes(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: Fixtures.path("jpeg/\(name).jpg"))))
  }

  /// To the bit what Pillow decodes: subsampled, interleaved with restarts, progressive, stored as RGB, grey.
  @Test(arguments: ["colours-420", "colours-444", "progressive-422", "stored-rgb", "grey"])
  func pixelsAreThoseOfPillow(_ name: String) throws {
    let expected = try #require(try NPZ.read(Fixtures.path("jpeg/pixels.npz")).tensors[name])
    let image = try JPEG.decode(Self.bytes(name), file: name)
    #expect([image.height, image.width] + (image.channels == 3 ? [3] : []) == expected.dims)
    #expect(image.pixels == expected.bytes)
  }

  @Test func inksAreRefused() throws {
    let bytes = try Self.bytes("cmyk")
    #expect(
      thrownError { _ = try JPEG.decode(bytes, file: "a.jpg") }.map { "\($0)" } == """
        error[E-JPEG-COLOUR]: a.jpg: CMYK, expected grey or RGB
        hint: convert it to RGB first: with which colour profile changes every score
        """)
  }

  @Test func theLimitOnPixelsIsCheckedBeforeDecoding() throws {
    var bytes = try Self.bytes("grey")
    #expect(throws: FormatError.jpeg("a.jpg", .pixels(width: 11, height: 17, limit: 186))) {
      try JPEG.decode(bytes, file: "a.jpg", pixelLimit: 186)
    }
    // The frame header (marker, length, precision, height, width) announces 65535 x 65535.
    let frame = try #require(bytes.indices.first { bytes[$0] == 0xff && bytes[$0 + 1] == 0xc0 })
    bytes.replaceSubrange((frame + 5)..<(frame + 9), with: [0xff, 0xdc, 0xff, 0xdc])
    #expect(throws: FormatError.jpeg("a.jpg", .pixels(width: 65500, height: 65500, limit: PNG.pixelLimit))) {
      try JPEG.decode(bytes, file: "a.jpg")
    }
    bytes.replaceSubrange((frame + 5)..<(frame + 9), with: [0xff, 0xff, 0xff, 0xff])
    #expect(throws: FormatError.self) { try JPEG.decode(bytes, file: "a.jpg") }
  }

  @Test func whatIsNoJPEGIsNamed() throws {
    #expect(throws: FormatError.jpeg("a.jpg", .signature(found: FirstBytes([])))) {
      try JPEG.decode([], file: "a.jpg")
    }
    #expect(
      thrownError { _ = try JPEG.decode(Array("GIF89a".utf8), file: "a.jpg") }.map { "\($0)" }
        == "error[E-JPEG-SIGNATURE]: a.jpg: not a JPEG image; it looks like a GIF image")
  }

  /// A file that ends anywhere is refused, not filled in.
  @Test(arguments: ["colours-420", "progressive-422", "grey"])
  func everyTruncationIsAnError(_ name: String) throws {
    let bytes = try Self.bytes(name)
    for count in 0..<bytes.count {
      let error = thrownError { _ = try JPEG.decode(Array(bytes[..<count]), file: name) }
      #expect(error is FormatError, "the first \(count) of \(bytes.count) bytes")
    }
  }

  /// Damage decodes to other pixels or is an error of ours; nothing crashes, hangs or takes memory without bound.
  @Test(arguments: ["colours-420", "colours-444", "progressive-422", "grey", "cmyk"])
  func damagedBytesNeverCrash(_ name: String) throws {
    let bytes = try Self.bytes(name)
    var random = SplitMix64(seed: 7)
    var (refused, decoded) = (0, 0)
    for _ in 0..<3000 {
      var damaged = bytes
      for _ in 0..<(1 + Int(random.next() % 4)) {
        damaged[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
      }
      // A small limit keeps headers that announce much from costing time.
      switch thrownError({ _ = try JPEG.decode(damaged, file: name, pixelLimit: 1 << 16) }) {
      case nil: decoded += 1
      case is FormatError: refused += 1
      case let other?: Issue.record("\(other)")
      }
    }
    #expect(refused > 300 && refused + decoded == 3000)
  }

  /// Each scan of a progressive image costs a pass over all pixels, and a file may repeat one without end.
  @Test func scansAreLimited() throws {
    let bytes = try Self.bytes("progressive-422")
    // The first scan of one component's coefficients 1 to 63 with one bit left out, from its table on. With no bit left
    // out it may come again and again after the last scan.
    let starts = bytes.indices.dropLast().filter { bytes[$0] == 0xff && [0xc4, 0xda].contains(bytes[$0 + 1]) }
    let scan = try #require(
      starts.firstIndex { bytes[$0 + 1] == 0xda && Array(bytes[($0 + 7)..<($0 + 10)]) == [1, 63, 1] })
    var piece = Array(bytes[starts[scan - 1]..<starts[scan + 1]])
    piece[starts[scan] - starts[scan - 1] + 9] = 0
    func repeated(_ count: Int) -> [UInt8] {
      Array(bytes[..<(bytes.count - 2)]) + (0..<count).flatMap { _ in piece } + [0xff, 0xd9]
    }
    #expect(try JPEG.decode(repeated(50), file: "a.jpg").width == 29)
    #expect(throws: FormatError.jpeg("a.jpg", .decoding("more than 100 scans"))) {
      try JPEG.decode(repeated(200), file: "a.jpg")
    }
  }
}
