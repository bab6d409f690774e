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
    do throws(JPEGProblem) {
      return try decode(bytes, pixelLimit: pixelLimit)
    } catch {
      throw FormatError.jpeg(file, error)
    }
  }

  private static func decode(_ bytes: [UInt8], pixelLimit: Int) throws(JPEGProblem) -> PixelImage {
    guard bytes.starts(with: signature) else { throw .signature(found: FirstBytes(bytes)) }
    var message = CMessage(capacity: Int(HT_JPEG_MESSAGE_SIZE))
    var header = ht_jpeg_header()
    guard ht_jpeg_read_header(bytes, bytes.count, &header, &message.characters) == 0 else {
      throw .decoding(message.text)
    }
    // Both are at most 65535, so the product fits.
    let (width, height, channels) = (Int(header.width), Int(header.height), Int(header.channels))
    guard width > 0, height > 0, width * height <= pixelLimit else {
      throw .pixels(width: width, height: height, limit: pixelLimit)
    }
    guard channels == 1 || channels == 3 else { throw .colours(components: Int(header.components)) }
    var pixels = [UInt8](repeating: 0, count: width * height * channels)
    guard ht_jpeg_decode(bytes, bytes.count, header, &pixels, &message.characters) == 0 else {
      throw .decoding(message.text)
    }
    return PixelImage(height: height, width: width, channels: channels, pixels: pixels)
  }
}

/// Room for a message from C.
struct CMessage {
  var characters: [CChar]

  init(capacity: Int) { characters = [CChar](repeating: 0, count: capacity) }

  /// Up to the first NUL.
  var text: String { String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) }
}
