import Tensors

/// One image of a set, and what about its file a score should be read with.
package struct DecodedImage: Sendable, Equatable {
  package let image: PixelImage
  package let origin: ImageOrigins
}

/// How many images came from files that a score should be read with.
package struct ImageOrigins: Sendable, Equatable {
  /// Compressed with loss.
  package var jpegs: Int
  /// With an alpha channel that is opaque everywhere, and was dropped.
  package var droppedAlphas: Int
  /// Of 16 bits a sample, made 8.
  package var sixteenBits: Int
  /// With bytes behind the image's end, which were passed over.
  package var trailing: Int

  package init(jpegs: Int = 0, droppedAlphas: Int = 0, sixteenBits: Int = 0, trailing: Int = 0) {
    self.jpegs = jpegs
    self.droppedAlphas = droppedAlphas
    self.sixteenBits = sixteenBits
    self.trailing = trailing
  }

  package static func += (sum: inout ImageOrigins, other: ImageOrigins) {
    sum.jpegs += other.jpegs
    sum.droppedAlphas += other.droppedAlphas
    sum.sixteenBits += other.sixteenBits
    sum.trailing += other.trailing
  }
}

/// Files of single images. A name says that a file is an image; which kind it is, its first bytes say.
package enum ImageFile {
  private static let pngExtensions = [".png"]
  private static let jpegExtensions = [".jpg", ".jpeg"]

  package static func isNamedAsImage(_ name: String) -> Bool { has(pngExtensions + jpegExtensions, name) }

  private static func has(_ extensions: [String], _ name: String) -> Bool {
    let lower = name.lowercased()
    return extensions.contains { lower.utf8.count > $0.utf8.count && lower.hasSuffix($0) }
  }

  static func read(_ path: String, _ depth: PNG.DepthRule) throws -> DecodedImage {
    try decode(InputFile.contents(of: path, limit: PNG.sizeLimit), file: path, depth)
  }

  static func decode(_ bytes: [UInt8], file: String, _ depth: PNG.DepthRule) throws -> DecodedImage {
    let isPNG = bytes.starts(with: PNG.signature)
    if bytes.starts(with: JPEG.signature) || !isPNG && has(jpegExtensions, file) {
      return DecodedImage(image: try JPEG.decode(bytes, file: file), origin: ImageOrigins(jpegs: 1))
    }
    return try PNG.decodeWithOrigin(bytes, file: file, depth: depth)
  }
}
