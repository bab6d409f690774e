import Tensors

/// Images that are in memory already.
package struct ImagesInMemory: ImageSource {
  package let path: String
  package let shape: ImageShape
  private let images: [PixelImage]

  package var count: Int { images.count }

  /// - Parameter name: what messages call them.
  /// - Throws: when there is none, or their shapes differ.
  package init(_ images: [PixelImage], name: String) throws {
    guard let shape = images.first?.shape else {
      throw FormatError.images(name, .empty(skipped: [], inFolders: []))
    }
    if let other = images.first(where: { $0.shape != shape }) {
      throw FormatError.images(name, .otherShape(expected: shape, found: other.shape))
    }
    path = name
    self.shape = shape
    self.images = images
  }

  package func forEachBatch(
    of size: Int, in positions: Range<Int>, _ body: (ImageBatch) throws -> Void
  ) throws {
    for start in stride(from: positions.lowerBound, to: positions.upperBound, by: size) {
      let batch = images[start..<min(start + size, positions.upperBound)]
      try body(ImageBatch(start: start, shape: shape, pixels: batch.flatMap(\.pixels)))
    }
  }
}
