import Tensors

/// Problems of PNG images. Offsets are bytes from the start of the file.
package enum PNGProblem: FormatProblem {
  case signature(found: FirstBytes)
  case chunk(String, at: Int)
  case checksum(chunk: String, at: Int)
  case missing(String)
  case truncated(chunk: String, at: Int)
  case header(String)
  case pixels(width: Int, height: Int, limit: Int)
  case animated
  case transparent(x: Int, y: Int)
  case decoding(String)
  case text(String, at: Int)
  /// Of an image that is to be written.
  case sides(width: Int, height: Int, limit: Int)

  package var wording: (id: String, text: String, hint: String?) {
    switch self {
    case .signature(let found):
      ("E-PNG-SIGNATURE", "not a PNG image" + (found.name.map { "; it looks like \($0)" } ?? ""), found.hint)
    case .chunk(let text, let at):
      ("E-PNG-CHUNK", "chunk at byte \(at): \(text)", nil)
    case .checksum(let chunk, let at):
      ("E-PNG-CRC", "\(chunk) chunk at byte \(at) fails its CRC", truncationHint)
    case .missing(let chunk):
      ("E-PNG-MISSING", "has no \(chunk) chunk", truncationHint)
    case .truncated(let chunk, let at):
      ("E-PNG-TRUNCATED", "the file ends inside the \(chunk) at byte \(at)", truncationHint)
    case .header(let text):
      ("E-PNG-HEADER", "image header: \(text)", nil)
    case .pixels(let width, let height, let limit):
      ("E-PNG-PIXELS", "\(width) x \(height) pixels, over the limit of \(limit) in all", nil)
    case .animated:
      ("E-PNG-ANIMATED", "an animation, not a single image", nil)
    case .transparent(let x, let y):
      (
        "E-PNG-ALPHA", "pixel (\(x), \(y)) is not fully opaque",
        "flatten the image onto a background first: which one changes every score"
      )
    case .decoding(let text):
      // libpng's words for more pixels than the header says.
      ("E-PNG-DATA", printable(text), text.contains("Too much") ? nil : truncationHint)
    case .text(let text, let at):
      ("E-PNG-TEXT", "text chunk at byte \(at): \(text)", nil)
    case .sides(let width, let height, let limit):
      (
        "E-PNG-SIDES", "\(width) x \(height) pixels cannot be written, the limit of a side is \(limit)",
        "show fewer images beside and below each other (--grid)"
      )
    }
  }
}

/// Problems of JPEG images.
package enum JPEGProblem: FormatProblem {
  case signature(found: FirstBytes)
  case pixels(width: Int, height: Int, limit: Int)
  case colours(components: Int)
  /// In libjpeg's words.
  case decoding(String)

  package var wording: (id: String, text: String, hint: String?) {
    switch self {
    case .signature(let found):
      ("E-JPEG-SIGNATURE", "not a JPEG image" + (found.name.map { "; it looks like \($0)" } ?? ""), found.hint)
    case .pixels(let width, let height, let limit):
      ("E-JPEG-PIXELS", "\(width) x \(height) pixels, over the limit of \(limit) in all", nil)
    case .colours(let components):
      (
        "E-JPEG-COLOUR",
        components == 4
          ? "CMYK, expected grey or RGB" : "\(components) components of an unknown kind, expected grey or RGB",
        "convert it to RGB first: with which colour profile changes every score"
      )
    case .decoding(let text):
      ("E-JPEG-DATA", printable(text), truncationHint)
    }
  }
}

/// Problems of IDX files (the format of the MNIST family).
package enum IDXProblem: FormatProblem {
  case magic(found: [UInt8])
  case elementType(UInt8)
  case rank(Int, expected: String)
  case shape([Int])
  case length(expected: Int, found: String)
  case truncatedHeader

  package var wording: (id: String, text: String, hint: String?) {
    switch self {
    case .magic(let found):
      ("E-IDX-MAGIC", "not an IDX file: expected two zero bytes, found \(found)", nil)
    case .elementType(let code):
      ("E-IDX-TYPE", "element type code \(code); only 8 (unsigned byte) is supported", nil)
    case .rank(let rank, let expected):
      ("E-IDX-RANK", "\(rank) dimensions; expected \(expected)", nil)
    case .shape(let dims):
      ("E-IDX-SHAPE", "shape \(shown(dims)) is empty or over the limit", nil)
    case .length(let expected, let found):
      ("E-IDX-LENGTH", "the header announces \(expected) bytes of data, found \(found)", truncationHint)
    case .truncatedHeader:
      ("E-IDX-TRUNCATED", "the file ends inside its header", truncationHint)
    }
  }
}

/// Problems of sets of images.
package enum ImageSetProblem: FormatProblem {
  /// - Parameters: skipped: what was passed over, with the reason; inFolders: images in folders of the set, which are there.
  case empty(skipped: [String], inFolders: [String])
  /// Images named as a run's beside ones that are not.
  case mixedNames(others: [String], run: Int)
  case mixedSizes(first: String, firstShape: ImageShape, other: String, otherShape: ImageShape)
  /// An image of a run that is not of the run's shape.
  case otherShape(expected: ImageShape, found: ImageShape)
  case shape([Int], name: String)
  case elementType(ElementType, name: String)
  case notImages(FirstBytes)

  package var wording: (id: String, text: String, hint: String?) {
    switch self {
    case .empty(let skipped, let inFolders):
      (
        "E-IMG-EMPTY", "holds no images",
        inFolders.first.map {
          "--recursive reads the images in its folders: \(inFolders.count), such as \(printable($0))"
        }
          ?? (skipped.isEmpty ? nil : "skipped: \(listedLines(skipped).joined(separator: "; "))")
      )
    case .mixedNames(let others, let run):
      (
        "E-IMG-NAMES",
        "\(others.count) of \(others.count + run) images are not named as a run's images are (000123/123456.png), so that "
          + "nobody can say which number they have: \(others.prefix(5).map(quoted).joined(separator: ", "))"
          + (others.count > 5 ? ", …" : ""),
        "move them out of the folder; the other images have their numbers in their names"
      )
    case .mixedSizes(let first, let firstShape, let other, let otherShape):
      (
        "E-IMG-SIZE",
        "images differ in channels x height x width: \(quoted(first)) is \(firstShape), \(quoted(other)) is \(otherShape)",
        "score images of one size"
      )
    case .otherShape(let expected, let found):
      (
        "E-IMG-SIZE", "the image is \(found) (channels x height x width), expected \(expected)",
        "delete the file and run the command again: it is drawn anew"
      )
    case .shape(let dims, let name):
      (
        "E-IMG-SHAPE",
        "array \(quoted(name)) has shape \(shown(dims)); expected images, height, width, 1 or 3 channels", nil
      )
    case .elementType(let type, let name):
      (
        "E-IMG-TYPE", "array \(quoted(name)) holds \(type.rawValue); expected U8 (0...255)",
        "convert with the rule clamp(rint((x + 1) * 127.5)) for images in [-1, 1]"
      )
    case .notImages(let found):
      (
        "E-IMG-KIND",
        "expected a folder or ZIP file of images, an .npz or .npy of samples or an IDX file, found \(found.described)",
        found.hint
      )
    }
  }
}
