import CJPEG
import Tensors

/// JPEG images as 8-bit grey or RGB, as libjpeg's defaults decode them: exact integer cosine transform, smooth upsampling of
/// colours. Profiles and the orientation that a camera noted are not applied (no scoring code in use applies them). Whatever
/// libjpeg would fill in or guess is refused.
package enum JPEG {
  static let signature: [UInt8] = [0xff, 0xd8, 0xff]

  /// - Throws: `FormatError.jpeg` for damaged images, ones above `pixelLimit`, and ones that are neither grey nor RGB.
  package static func decode(
    _ bytes: [UInt8], file: String, pixelLimit: Int = PNG.pixelLimit
  ) throws -> PixelImage {
    do {
      return try decode(bytes, pixelLimit: pixelLimit)
    } catch let problem as JPEGProblem {
      throw FormatError.jpeg(file, problem)
    }
  }

  private static func decode(_ bytes: [UInt8], pixelLimit: Int) throws -> PixelImage {
    guard bytes.starts(with: signature) else { throw JPEGProblem.signature(found: FirstBytes(bytes)) }
    var message = CMessage(capacity: Int(HT_JPEG_MESSAGE_SIZE))
    var header = ht_jpeg_header()
    try check(ht_jpeg_read_header(bytes, bytes.count, &header, &message.characters), message, samples: 0)
    // Both are at most 65535, so the product fits.
    let (width, height, channels) = (Int(header.width), Int(header.height), Int(header.channels))
    guard width > 0, height > 0, width * height <= pixelLimit else {
      throw JPEGProblem.pixels(width: width, height: height, limit: pixelLimit)
    }
    guard channels == 1 || channels == 3 else { throw JPEGProblem.colours(components: Int(header.components)) }
    var pixels = [UInt8](repeating: 0, count: width * height * channels)
    try check(
      ht_jpeg_decode(bytes, bytes.count, header, &pixels, &message.characters), message, samples: pixels.count)
    return PixelImage(height: height, width: width, channels: channels, pixels: pixels)
  }

  /// Throws what a call of the shim failed by. libjpeg does not say how much memory it was refused: it asks for pieces of 16,000 bytes
  /// and, where an image has several scans, for all of its samples.
  private static func check(_ status: Int32, _ message: CMessage, samples: Int) throws {
    switch Int(status) {
    case HT_JPEG_DONE: return
    case HT_JPEG_MEMORY: throw MemoryError(refused: max(samples, 16_000), for: "decoding a JPEG image")
    default: throw JPEGProblem.decoding(message.text)
    }
  }
}

/// Room for a message from C.
struct CMessage {
  var characters: [CChar]

  init(capacity: Int) { characters = [CChar](repeating: 0, count: capacity) }

  /// Up to the first NUL.
  var text: String { String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) }
}
