import Tensors

/// The chunks of a PNG file (PNG specification, section 5), walked and checked before libpng sees a byte: lengths, order,
/// every CRC, header fields and the number of pixels. Errors name the chunk and its offset.
struct PNGChunks {
  struct Chunk {
    let type: String
    /// Where the chunk starts in the file, its length field first.
    let offset: Int
    let data: Range<Int>
  }

  struct Header {
    let width: Int
    let height: Int
    let depth: Int
    let colour: Colour
  }

  /// Colour types as the specification numbers them.
  enum Colour: UInt8 {
    case grey = 0, rgb = 2, palette = 3, greyAlpha = 4, rgbAlpha = 6
    var depths: [Int] {
      switch self {
      case .grey: [1, 2, 4, 8, 16]
      case .palette: [1, 2, 4, 8]
      case .rgb, .greyAlpha, .rgbAlpha: [8, 16]
      }
    }
  }

  private(set) var chunks: [Chunk] = []
  let header: Header
  /// Bytes behind the image's end, which every reader passes over.
  let trailing: Int

  /// Channels after expansion to 8-bit grey or RGB, with alpha where the file has any.
  var channels: Int {
    let alpha = chunks.contains { $0.type == "tRNS" } ? 1 : 0
    return switch header.colour {
    case .grey: 1 + alpha
    case .rgb, .palette: 3 + alpha
    case .greyAlpha: 2
    case .rgbAlpha: 4
    }
  }

  init(_ bytes: [UInt8], pixelLimit: Int) throws(PNGProblem) {
    guard bytes.starts(with: PNG.signature) else { throw .signature(found: FirstBytes(bytes)) }
    var position = 8
    var types: Set<String> = []
    repeat {
      guard position < bytes.count else { throw .missing("IEND") }
      let chunk = try Self.chunk(bytes, at: position)
      try Self.checkOrder(chunk, after: types, last: chunks.last?.type)
      if chunks.count == Self.chunkLimit { throw .chunk("more than \(Self.chunkLimit) chunks", at: position) }
      types.insert(chunk.type)
      chunks.append(chunk)
      position = chunk.data.upperBound + 4
    } while chunks.last?.type != "IEND"
    trailing = bytes.count - position
    guard types.contains("IDAT") else { throw .missing("IDAT") }
    header = try Self.header(bytes, chunks[0], pixelLimit: pixelLimit)
    try Self.checkPalette(chunks, colour: header.colour)
  }

  private static func chunk(_ bytes: [UInt8], at offset: Int) throws(PNGProblem) -> Chunk {
    guard bytes.count - offset >= 12 else { throw .truncated(chunk: "chunk", at: offset) }
    let name = bytes[(offset + 4)..<(offset + 8)]
    guard name.allSatisfy({ (0x41...0x5a).contains($0 & 0xdf) }) else {
      throw .chunk("its type is no four letters", at: offset)
    }
    let type = String(decoding: name, as: UTF8.self)
    let length = Int(bytes.big(UInt32.self, at: offset))
    guard length <= 0x7fff_ffff else { throw .chunk("length \(length) is beyond the format's limit", at: offset) }
    guard length <= bytes.count - offset - 12 else { throw .truncated(chunk: "\(type) chunk", at: offset) }
    let data = (offset + 8)..<(offset + 8 + length)
    let checksum = bytes.withUnsafeBytes {
      crc32(UnsafeRawBufferPointer(rebasing: $0[(offset + 4)..<data.upperBound]))
    }
    guard checksum == bytes.big(UInt32.self, at: data.upperBound) else { throw .checksum(chunk: type, at: offset) }
    return Chunk(type: type, offset: offset, data: data)
  }

  /// Writers split data into chunks of 8 KiB or more: this is 8 GiB of them.
  private static let chunkLimit = 1 << 20

  private static func checkOrder(_ chunk: Chunk, after earlier: Set<String>, last: String?) throws(PNGProblem) {
    func has(_ type: String) -> Bool { earlier.contains(type) }
    switch chunk.type {
    case "IHDR" where !earlier.isEmpty, "PLTE" where has("PLTE") || has("IDAT"),
      "tRNS" where has("tRNS") || has("IDAT"),
      "IDAT" where has("IDAT") && last != "IDAT":
      throw .chunk("\(chunk.type) stands in the wrong place", at: chunk.offset)
    case "IHDR", "PLTE", "tRNS", "IDAT": break
    case "IEND":
      if !chunk.data.isEmpty { throw .chunk("IEND must be empty", at: chunk.offset) }
    case "acTL": throw .animated
    case let type where type.utf8.first! & 0x20 == 0:
      throw .chunk("\(type) is needed to show the image and not supported", at: chunk.offset)
    default: break
    }
    if earlier.isEmpty && chunk.type != "IHDR" { throw .chunk("the first chunk must be IHDR", at: chunk.offset) }
  }

  private static func header(_ bytes: [UInt8], _ chunk: Chunk, pixelLimit: Int) throws(PNGProblem) -> Header {
    let data = Array(bytes[chunk.data])
    guard data.count == 13 else { throw .header("\(data.count) bytes, expected 13") }
    let (width, height) = (Int(data.big(UInt32.self, at: 0)), Int(data.big(UInt32.self, at: 4)))
    guard width > 0, height > 0 else { throw .header("\(width) x \(height) pixels") }
    // Both are below 2^32, so the product fits.
    guard width <= 0x7fff_ffff, height <= 0x7fff_ffff, width * height <= pixelLimit else {
      throw .pixels(width: width, height: height, limit: pixelLimit)
    }
    guard let colour = Colour(rawValue: data[9]), colour.depths.contains(Int(data[8])) else {
      throw .header("colour type \(data[9]) with \(data[8]) bits is not defined")
    }
    guard data[10] == 0, data[11] == 0, data[12] <= 1 else {
      throw .header("compression \(data[10]), filter \(data[11]), interlacing \(data[12]) is not defined")
    }
    return Header(width: width, height: height, depth: Int(data[8]), colour: colour)
  }

  private static func checkPalette(_ chunks: [Chunk], colour: Colour) throws(PNGProblem) {
    let palette = chunks.first { $0.type == "PLTE" }
    switch colour {
    case .palette:
      guard let palette else { throw .missing("PLTE") }
      guard palette.data.count % 3 == 0, (3...768).contains(palette.data.count) else {
        throw .chunk("a palette of \(palette.data.count) bytes", at: palette.offset)
      }
    case .grey, .greyAlpha:
      if let palette { throw .chunk("a palette in a grey image", at: palette.offset) }
    case .rgb, .rgbAlpha: break
    }
    if let transparency = chunks.first(where: { $0.type == "tRNS" }) {
      let fits =
        switch colour {
        case .grey: transparency.data.count == 2
        case .rgb: transparency.data.count == 6
        case .palette: (1...(palette!.data.count / 3)).contains(transparency.data.count)
        case .greyAlpha, .rgbAlpha: false
        }
      if !fits { throw .chunk("tRNS does not fit the image's colours", at: transparency.offset) }
    }
  }
}
