import Tensors

/// A set of images of one shape that is read in order, a batch at a time, as often as wanted: what scoring reads.
package protocol ImageSource: Sendable {
  /// What messages and reports call it.
  var path: String { get }
  var count: Int { get }
  var shape: ImageShape { get }
  /// Files that were passed over, with the reason, in order.
  var skipped: [String] { get }
  /// The global index of the image at `position`: what shards of one run are merged by. Ascending with the position.
  func imageIndex(at position: Int) -> Int
  /// Whether the indices stand in the files' names, and are not just positions.
  var namesIndices: Bool { get }
  /// Whether each image is a file by itself: they may differ in size where that was allowed, and any can be read first.
  var isFiles: Bool { get }
  /// Hands over the images at `positions` in order, `size` at a time (the last batch may be smaller). Memory: one batch.
  func forEachBatch(of size: Int, in positions: Range<Int>, _ body: (ImageBatch) throws -> Void) throws
}

extension ImageSource {
  package var skipped: [String] { [] }

  /// Where nothing says otherwise, images are numbered as they come.
  package func imageIndex(at position: Int) -> Int { position }
  package var namesIndices: Bool { false }
  package var isFiles: Bool { false }

  /// All images in order.
  package func forEachBatch(of size: Int, _ body: (ImageBatch) throws -> Void) throws {
    try forEachBatch(of: size, in: 0..<count, body)
  }

  /// Positions of the images whose indices lie in `indices`.
  package func positions(of indices: ClosedRange<Int>) -> Range<Int> {
    let first = (0..<count).partitionPoint { imageIndex(at: $0) >= indices.lowerBound }
    return first..<max(first, (0..<count).partitionPoint { imageIndex(at: $0) > indices.upperBound })
  }

  /// For sources that can only be read from the front: batches of `positions`, what stands before them passed over.
  func forEachBatch(
    of size: Int, in positions: Range<Int>, from next: (_ count: Int) throws -> [UInt8],
    _ body: (ImageBatch) throws -> Void
  ) throws {
    precondition(size > 0 && positions.lowerBound >= 0 && positions.upperBound <= count)
    for start in stride(from: 0, to: positions.lowerBound, by: size) {
      _ = try next(min(size, positions.lowerBound - start))
    }
    for start in stride(from: positions.lowerBound, to: positions.upperBound, by: size) {
      let pixels = try next(min(size, positions.upperBound - start))
      try body(ImageBatch(start: start, shape: shape, pixels: pixels))
    }
  }

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
  /// Of the files they came from, where they did.
  package let origins: ImageOrigins

  package init(start: Int, shape: ImageShape, pixels: [UInt8], origins: ImageOrigins = .init()) {
    self.start = start
    self.shape = shape
    self.pixels = pixels
    self.origins = origins
  }

  package var count: Int { pixels.count / shape.count }

  /// N C H W in [-1, 1].
  package func images() -> Tensor { PixelConversion.images(pixels, shape: shape) }
}

/// How sets of images are read.
package struct ImageSourceOptions: Sendable, Equatable {
  /// Whether images in folders of a set count, beyond those of a run.
  package var recursive: Bool
  /// Whether images may differ in size: then a batch ends where the size changes.
  package var mixedSizes: Bool
  /// How PNGs of 16 bits are read.
  package var depth: PNG.DepthRule

  package init(recursive: Bool = false, mixedSizes: Bool = false, depth: PNG.DepthRule = .nearest) {
    self.recursive = recursive
    self.mixedSizes = mixedSizes
    self.depth = depth
  }
}

/// Opens whatever holds images: a folder or ZIP file of PNGs and JPEGs or a run folder, samples in an .npz or .npy, an IDX file (also
/// gzipped). What a file is, is decided by its first bytes, never by its name.
package enum ImageSources {
  package static func open(_ path: String, options: ImageSourceOptions = .init()) throws -> any ImageSource {
    if Folder.kind(of: path) == .folder { return try ImageFiles(folder: path, options: options) }
    let file = try InputFile(path)
    let start = try file.read(at: 0, count: min(FirstBytes.count, file.size))
    if start.starts(with: Array("PK".utf8)) {
      return try ZipContent(of: file) == .images
        ? ImageFiles(archive: ZipArchive(file), options: options) : SampleArray(archive: file)
    }
    if start.starts(with: [0x93] + Array("NUMPY".utf8)) { return try SampleArray(array: file) }
    if start.starts(with: [0x1f, 0x8b]) || start.starts(with: [0, 0]) { return try IDXImages(file) }
    throw FormatError.images(path, .notImages(FirstBytes(start)))
  }
}
