import CPNG
import Platform
import Tensors

/// PNG images as 8-bit grey or RGB.
///
/// Reading: palettes and depths below 8 bits are expanded, 16 bits become 8 by a `DepthRule`, gamma and colour profiles are not
/// applied (no scoring code in use applies them), bytes behind the image's end are passed over. Alpha that is opaque everywhere is dropped; an image with any other alpha is refused,
/// because the background one would have to choose changes every score.
package enum PNG {
  /// 4096 x 4096: above every image that diffusion models are scored on, small enough to be no bomb.
  package static let pixelLimit = 1 << 24
  static let signature: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
  static let sizeLimit = 256 << 20

  /// How samples of 16 bits become 8.
  package enum DepthRule: Sendable, Equatable {
    /// The nearest level: rint(v / 257).
    case nearest
    /// As the Python library Pillow converts such a file to RGB: of colours and of grey with alpha the high byte, of plain grey
    /// min(v, 255). What scoring programs in Python see.
    case pillow
  }

  package static func read(_ path: String, pixelLimit: Int = pixelLimit) throws -> PixelImage {
    try decode(InputFile.contents(of: path, limit: sizeLimit), file: path, pixelLimit: pixelLimit)
  }

  package static func decode(_ bytes: [UInt8], file: String, pixelLimit: Int = pixelLimit) throws -> PixelImage {
    try decodeWithOrigin(bytes, file: file, pixelLimit: pixelLimit).image
  }

  /// As `decode`, and what a score of the image should be read with.
  /// - Parameter largestBlock: the bytes that libpng may ask for at once; of more it is told that there are none.
  package static func decodeWithOrigin(
    _ bytes: [UInt8], file: String, depth: DepthRule = .nearest, pixelLimit: Int = pixelLimit, largestBlock: Int = .max
  ) throws -> DecodedImage {
    do {
      let chunks = try PNGChunks(bytes, pixelLimit: pixelLimit)
      let decoded = try image(
        samples(bytes, chunks, depth, largestBlock), header: chunks.header, channels: chunks.channels)
      return DecodedImage(
        image: decoded,
        origin: ImageOrigins(
          droppedAlphas: decoded.channels < chunks.channels ? 1 : 0, sixteenBits: chunks.header.depth == 16 ? 1 : 0,
          trailing: chunks.trailing > 0 ? 1 : 0))
    } catch let problem as PNGProblem {
      throw FormatError.png(file, problem)
    }
  }

  private static func samples(
    _ bytes: [UInt8], _ chunks: PNGChunks, _ depth: DepthRule, _ largestBlock: Int
  ) throws -> [UInt8] {
    let keepsDepth = depth == .pillow && chunks.header.depth == 16
    var outcome = ht_png_outcome()
    outcome.largest_block = largestBlock
    var samples = [UInt8](
      repeating: 0, count: chunks.header.width * chunks.header.height * chunks.channels * (keepsDepth ? 2 : 1))
    let status = ht_png_decode(
      bytes, bytes.count, UInt32(chunks.header.width), UInt32(chunks.header.height), Int32(chunks.channels),
      keepsDepth ? 1 : 0, &samples, &outcome)
    switch Int(status) {
    case HT_PNG_DONE: break
    case HT_PNG_MEMORY: throw MemoryError(refused: outcome.refused, for: "decoding a PNG image")
    default: throw PNGProblem.decoding(outcome.text)
    }
    guard keepsDepth else { return samples }
    // Big-endian pairs of bytes.
    let clips = chunks.header.colour == .grey && chunks.channels == 1
    return stride(from: 0, to: samples.count, by: 2).map {
      clips && samples[$0] > 0 ? 255 : samples[$0 + (clips ? 1 : 0)]
    }
  }

  /// Drops the alpha channel of `samples`, which must be opaque.
  private static func image(_ samples: [UInt8], header: PNGChunks.Header, channels: Int) throws(PNGProblem)
    -> PixelImage
  {
    let kept = channels <= 2 ? 1 : 3
    var pixels = samples
    if kept < channels {
      for pixel in 0..<(samples.count / channels) where samples[pixel * channels + kept] != 255 {
        throw .transparent(x: pixel % header.width, y: pixel / header.width)
      }
      pixels = samples.indices.lazy.filter { $0 % channels < kept }.map { samples[$0] }
    }
    return PixelImage(height: header.height, width: header.width, channels: kept, pixels: pixels)
  }

  /// The channels that images have: grey and RGB.
  package static let channelCounts: Set<Int> = [1, 3]

  /// libpng's own limit for a side of an image.
  package static let sideLimit = 1_000_000

  /// The PNG file of `image`: the same bytes for the same image and texts (and the same versions of libpng and zlib).
  /// - Parameter texts: keys of 1 to 79 ASCII characters, each once, and values without NUL.
  /// - Precondition: 1 or 3 channels, and sides within `sideLimit`.
  /// - Throws: where libpng cannot have the memory that it needs.
  package static func encode(
    _ image: PixelImage, texts: [(key: String, value: String)] = [], largestBlock: Int = .max
  ) throws(MemoryError) -> [UInt8] {
    precondition(channelCounts.contains(image.channels), "an image of \(image.shape) is no PNG")
    let entries = texts.map { ht_png_text(key: strdup($0.key), value: strdup($0.value)) }
    defer {
      for entry in entries {
        free(UnsafeMutablePointer(mutating: entry.key))
        free(UnsafeMutablePointer(mutating: entry.value))
      }
    }
    var outcome = ht_png_outcome()
    outcome.largest_block = largestBlock
    var encoded: UnsafeMutablePointer<UInt8>?
    var count = 0
    let status = Int(
      ht_png_encode(
        image.pixels, UInt32(image.width), UInt32(image.height), Int32(image.channels), entries, Int32(entries.count),
        &encoded, &count, &outcome))
    defer { free(encoded) }
    if status == HT_PNG_MEMORY {
      throw MemoryError(refused: outcome.refused, for: "encoding a PNG image")
    }
    precondition(status == HT_PNG_DONE, "libpng cannot encode a checked image: \(outcome.text)")
    return Array(UnsafeBufferPointer(start: encoded, count: count))
  }

  /// Writes `encode`'s bytes. - Throws: `E-PNG-SIDES` where a side is longer than libpng writes.
  package static func write(_ image: PixelImage, texts: [(key: String, value: String)] = [], to path: String) throws {
    guard max(image.width, image.height) <= sideLimit else {
      throw FormatError.png(path, .sides(width: image.width, height: image.height, limit: sideLimit))
    }
    try AtomicFile.write(try encode(image, texts: texts), to: path)
  }

  /// The uncompressed text chunks of a file (tEXt, iTXt) by key. Compressed ones are passed over: nothing here writes them.
  package static func texts(_ path: String) throws -> [String: String] {
    try texts(of: InputFile.contents(of: path, limit: sizeLimit), file: path)
  }

  package static func texts(of bytes: [UInt8], file: String) throws -> [String: String] {
    do {
      var result: [String: String] = [:]
      for chunk in try PNGChunks(bytes, pixelLimit: .max).chunks {
        guard let (key, value) = try textEntry(chunk, bytes) else { continue }
        guard result.updateValue(value, forKey: key) == nil else {
          throw PNGProblem.text("key \(quoted(key)) stands there twice", at: chunk.offset)
        }
      }
      return result
    } catch let problem as PNGProblem {
      throw FormatError.png(file, problem)
    }
  }

  private static func textEntry(_ chunk: PNGChunks.Chunk, _ bytes: [UInt8]) throws(PNGProblem) -> (String, String)? {
    guard chunk.type == "tEXt" || chunk.type == "iTXt" else { return nil }
    let parts = bytes[chunk.data].split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, (1...79).contains(parts[0].count) else {
      throw .text("no key of 1 to 79 characters", at: chunk.offset)
    }
    let key = latin1(parts[0])
    if chunk.type == "tEXt" { return (key, latin1(parts[1])) }
    // iTXt: compression flag and method, language, translated key, then UTF-8 text.
    guard parts[1].count >= 2 else { throw .text("the file ends inside it", at: chunk.offset) }
    if parts[1].first != 0 { return nil }
    let fields = parts[1].dropFirst(2).split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
    guard fields.count == 3, let value = String(validating: fields[2], as: UTF8.self) else {
      throw .text("not valid UTF-8 text with a language and a translated key", at: chunk.offset)
    }
    return (key, value)
  }

  /// ISO 8859-1, whose bytes are the first 256 scalars.
  private static func latin1(_ bytes: ArraySlice<UInt8>) -> String {
    String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
  }
}

extension ht_png_outcome {
  /// libpng's words.
  fileprivate var text: String {
    withUnsafeBytes(of: message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}
