import Formats
import Tensors

/// What about a set's images its scores should be read with.
struct ImageSurvey {
  private let path: String
  private let skipped: [String]
  private let depth: PNG.DepthRule
  private var count = 0
  private var shapes = Set<ImageShape>()
  private var origins = ImageOrigins()

  /// - Parameters: source: the set; depth: how its PNGs of 16 bits are read.
  init(_ source: any ImageSource, depth: PNG.DepthRule) {
    path = source.path
    skipped = source.skipped
    self.depth = depth
  }

  mutating func add(_ images: ImageBatch) {
    count += images.count
    shapes.insert(images.shape)
    origins += images.origins
  }

  var warnings: [String] {
    var out: [String] = []
    if !skipped.isEmpty {
      out.append("\(path): not scored: \(listedLines(skipped).joined(separator: "; "))")
    }
    if origins.jpegs > 0 {
      out.append(
        "\(path): \(origins.jpegs) of \(count) images are JPEGs; what compression leaves changes scores, so compare only "
          + "sets that were compressed in the same way")
    }
    out += conversions
    if shapes.count > 1 {
      out.append(
        "\(path): images of \(shapes.count) sizes or numbers of channels, each resized for itself; sets of one size compare "
          + "better")
    }
    return out
  }

  /// What was read otherwise than the files say it.
  var conversions: [String] {
    var out: [String] = []
    if origins.droppedAlphas > 0 {
      out.append(
        "\(path): \(origins.droppedAlphas) of \(count) images have an alpha channel; it is opaque everywhere, and was "
          + "dropped")
    }
    if origins.sixteenBits > 0 {
      out.append(
        "\(path): \(origins.sixteenBits) of \(count) images have 16 bits a sample; "
          + (depth == .pillow
            ? "as in Pillow, which the mode's program reads with, colours keep the high byte and grey is cut off at 255"
            : "they are rounded to 8"))
    }
    if origins.trailing > 0 {
      out.append(
        "\(path): \(origins.trailing) of \(count) images have bytes behind the image's end, which were passed over")
    }
    return out
  }
}
