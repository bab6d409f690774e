import Tensors

/// Many images of one size laid out on one, row by row.
package enum ImageGrid {
  /// - Parameters:
  ///   - images: at most rows * columns, all of one shape; cells without an image keep the background.
  ///   - padding: pixels between images and around them.
  ///   - background: the grey level of padding and empty cells.
  package static func compose(
    _ images: [PixelImage], rows: Int, columns: Int, padding: Int = 2, background: UInt8 = 255
  ) -> PixelImage {
    precondition(!images.isEmpty && images.count <= rows * columns && padding >= 0)
    let shape = images[0].shape
    precondition(images.allSatisfy { $0.shape == shape }, "images of one grid must have one shape")
    let height = rows * (shape.height + padding) + padding
    let width = columns * (shape.width + padding) + padding
    var pixels = [UInt8](repeating: background, count: height * width * shape.channels)
    let rowSize = shape.width * shape.channels
    for (position, image) in images.enumerated() {
      let top = padding + position / columns * (shape.height + padding)
      let left = padding + position % columns * (shape.width + padding)
      for y in 0..<shape.height {
        let target = ((top + y) * width + left) * shape.channels
        pixels.replaceSubrange(target..<(target + rowSize), with: image.pixels[(y * rowSize)..<((y + 1) * rowSize)])
      }
    }
    return PixelImage(height: height, width: width, channels: shape.channels, pixels: pixels)
  }

  /// The channels of an image side by side, in grey, with a line of pixels between them.
  package static func channels(of image: PixelImage) -> PixelImage {
    let area = image.height * image.width
    let planes = (0..<image.channels).map { channel in
      PixelImage(
        height: image.height, width: image.width, channels: 1,
        pixels: (0..<area).map { image.pixels[$0 * image.channels + channel] })
    }
    return compose(planes, rows: 1, columns: image.channels, padding: 1)
  }

  /// Bytes of what `compose` makes of images of one shape.
  package static func byteCount(_ shape: ImageShape, rows: Int, columns: Int, padding: Int = 2) -> Int {
    MemoryBudget.product(rows, shape.height + padding, columns, shape.width + padding, shape.channels)
  }
}
