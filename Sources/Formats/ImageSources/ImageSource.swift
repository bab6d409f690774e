import Tensors

/// A set of images of one shape that is read in order, a batch at a time, as often as wanted: what scoring reads.
package protocol ImageSource: Sendable {
  /// What messages and reports call it.
  var path: String { get }
  var count: Int { get }
  var shape: ImageShape { get }
  /// Files that were passed over, with the reason, in order.
  var skipped: [String] { get }
  /// Hands over all images in order, `size` at a time (the last batch may be smaller). Memory: one batch.
  func forEachBatch(of size: Int, _ body: (ImageBatch) throws -> Void) throws
}

extension ImageSource {
  package var skipped: [String] { [] }

  /// All samples, N H W C, in memory: for small sets.
  package func allPixels() throws -> [UInt8] {
    var pixels: [UInt8] = []
    try forEachBatch(of: 64) { pixels += $0.pixels }
    return pixels
  }
}

/// Consecutive images of a source.
package struct ImageBatch: Sendable, Equatable {
  /// The position of the first one in the source.
  package let start: Int
  package let shape: ImageShape
  /// Samples, N H W C.
  package let pixels: [UInt8]

  package init(start: Int, shape: ImageShape, pixels: [UInt8]) {
    self.start = start
    self.shape = shape
    self.pixels = pixels
  }

  package var count: Int { pixels.count / shape.count }

  /// N C H W in [-1, 1].
  package func images() -> Tensor { PixelConversion.images(pixels, shape: shape) }
}

/// Opens whatever holds images: a folder of PNGs or a run folder, samples in an .npz or .npy, an IDX file (also gzipped).
/// What a file is, is decided by its first bytes, never by its name.
package enum ImageSources {
  package static func open(_ path: String) throws -> any ImageSource {
    if Folder.kind(of: path) == .folder { return try PNGFolder(path) }
    let file = try InputFile(path)
    let start = try file.read(at: 0, count: min(8, file.size))
    if start.starts(with: Array("PK".utf8)) { return try SampleArray(archive: file) }
    if start.starts(with: [0x93] + Array("NUMPY".utf8)) { return try SampleArray(array: file) }
    if start.starts(with: [0x1f, 0x8b]) || start.starts(with: [0, 0]) { return try IDXImages(file) }
    let found =
      if start.isEmpty { "an empty file" } else if start.starts(with: [0x89] + Array("PNG".utf8)) {
        "a single PNG image"
      } else { "a file that starts with bytes \(start.map { hexadecimal($0) }.joined(separator: " "))" }
    throw FormatError.images(path, .notImages(found))
  }
}
