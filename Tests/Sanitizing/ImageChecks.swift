import CJPEG
import CPNG
import Foundation

/// The shims of libpng and libjpeg on valid files and on changed ones, whose chunks have right checksums again.
enum ImageChecks {
  private static let changedFiles = 3000

  static func run(_ checks: inout Checks) throws {
    var random = Generator(state: 7)
    for channels in [1, 3] { png(channels, &random, &checks) }
    let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/jpeg")
    let names = try FileManager.default.contentsOfDirectory(atPath: fixtures.path).filter { $0.hasSuffix(".jpg") }
      .sorted()
    checks.expect(!names.isEmpty, "no JPEG files under \(fixtures.path)")
    for name in names {
      let bytes = Array(try Data(contentsOf: fixtures.appending(path: name)))
      _ = jpeg(bytes)
      for _ in 0..<changedFiles / names.count {
        var changed = bytes
        change(&changed, from: 2, to: changed.count, &random)
        _ = jpeg(changed)
      }
    }
    checks.expect(jpeg([0xff, 0xd8, 0xff]) == nil, "a JPEG file of three bytes was decoded")
  }

  private static func png(_ channels: Int, _ random: inout Generator, _ checks: inout Checks) {
    let (width, height) = (13, 9)
    let pixels = (0..<(width * height * channels)).map { UInt8(truncatingIfNeeded: $0 &* 37) }
    let texts = [("ascii", "value"), ("other", "é")].map { ht_png_text(key: strdup($0.0), value: strdup($0.1)) }
    defer {
      for text in texts {
        free(UnsafeMutablePointer(mutating: text.key))
        free(UnsafeMutablePointer(mutating: text.value))
      }
    }
    func encode(largestBlock: Int = .max) -> (status: Int, file: [UInt8]) {
      var outcome = ht_png_outcome()
      outcome.largest_block = largestBlock
      var encoded: UnsafeMutablePointer<UInt8>?
      var count = 0
      let status = ht_png_encode(
        pixels, UInt32(width), UInt32(height), Int32(channels), texts, Int32(texts.count), &encoded, &count, &outcome)
      defer { free(encoded) }
      return (Int(status), Array(UnsafeBufferPointer(start: encoded, count: count)))
    }
    let (status, file) = encode()
    checks.expect(
      status == HT_PNG_DONE && decode(file, width, height, channels, keep16: false) == pixels,
      "a PNG file changed its pixels")
    // Whichever piece of memory is refused, nothing stays behind.
    for power in 0..<20 {
      let refused = encode(largestBlock: 1 << power)
      checks.expect(
        refused.status == HT_PNG_DONE ? refused.file == file : refused.status == HT_PNG_MEMORY,
        "encoding with pieces of at most 2^\(power) bytes ended with status \(refused.status)")
      let decoded = decode(file, width, height, channels, keep16: false, largestBlock: 1 << power)
      checks.expect(decoded == nil || decoded == pixels, "decoding with pieces of at most 2^\(power) bytes")
    }
    for number in 0..<changedFiles {
      var changed = file
      // Behind the header: its sizes are what callers compare before they call.
      change(&changed, from: 33, to: changed.count, &random)
      if number % 4 != 0 { repairChecksums(&changed) }
      _ = decode(changed, width, height, channels, keep16: number % 2 == 0)
    }
  }

  private static func decode(
    _ file: [UInt8], _ width: Int, _ height: Int, _ channels: Int, keep16: Bool, largestBlock: Int = .max
  ) -> [UInt8]? {
    var outcome = ht_png_outcome()
    outcome.largest_block = largestBlock
    var pixels = [UInt8](repeating: 0, count: width * height * channels * (keep16 ? 2 : 1))
    let status = ht_png_decode(
      file, file.count, UInt32(width), UInt32(height), Int32(channels), keep16 ? 1 : 0, &pixels, &outcome)
    return Int(status) == HT_PNG_DONE ? pixels : nil
  }

  private static func jpeg(_ file: [UInt8]) -> [UInt8]? {
    var message = [CChar](repeating: 0, count: Int(HT_JPEG_MESSAGE_SIZE))
    var header = ht_jpeg_header()
    guard ht_jpeg_read_header(file, file.count, &header, &message) == 0 else { return nil }
    let count = Int(header.width) * Int(header.height) * Int(header.channels)
    guard count > 0, count <= 1 << 20 else { return nil }
    var pixels = [UInt8](repeating: 0, count: count)
    return ht_jpeg_decode(file, file.count, header, &pixels, &message) == 0 ? pixels : nil
  }

  private static func change(_ bytes: inout [UInt8], from start: Int, to end: Int, _ random: inout Generator) {
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      bytes[Int.random(in: start..<end, using: &random)] = UInt8.random(in: 0...255, using: &random)
    }
    if Int.random(in: 0..<8, using: &random) == 0 {
      bytes.removeLast(Int.random(in: 1..<(end - start), using: &random))
    }
  }

  private static func repairChecksums(_ bytes: inout [UInt8]) {
    var position = 8
    while position + 12 <= bytes.count {
      let length = (0..<4).reduce(0) { $0 << 8 | Int(bytes[position + $1]) }
      guard length <= bytes.count - position - 12 else { return }
      let sum = checksum(bytes[(position + 4)..<(position + 8 + length)])
      for place in 0..<4 {
        bytes[position + 8 + length + place] = UInt8(truncatingIfNeeded: sum >> UInt32(24 - 8 * place))
      }
      position += 12 + length
    }
  }

  /// PNG's CRC-32 (ISO 3309), bit by bit.
  private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    var sum: UInt32 = 0xffff_ffff
    for byte in bytes {
      sum ^= UInt32(byte)
      for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xedb8_8320 : sum >> 1 }
    }
    return ~sum
  }
}

/// The same changes on every machine (SplitMix64).
struct Generator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
