import Tensors

/// Many images of one size laid out on one, row by row.
package enum ImageGrid {
  /// - Parameters:
  ///   - images: at most as many as the layout has cells, all of its shape; cells without an image keep the background.
  ///   - background: the grey level of padding and empty cells.
  package static func compose(_ images: [PixelImage], _ layout: GridLayout, background: UInt8 = 255) -> PixelImage {
    precondition(!images.isEmpty && images.count <= layout.rows * layout.columns && layout.padding >= 0)
    precondition(images.allSatisfy { $0.shape == layout.shape }, "images of one grid must have one shape")
    let (width, channels) = (layout.width, layout.shape.channels)
    var pixels = [UInt8](repeating: background, count: layout.height * width * channels)
    for (cell, image) in images.enumerated() {
      let (top, left) = layout.place(of: cell)
      for y in 0..<layout.cellHeight {
        let row = enlarged(image, row: y / layout.enlargement, by: layout.enlargement)
        let target = ((top + y) * width + left) * channels
        pixels.replaceSubrange(target..<(target + row.count), with: row)
      }
    }
    for label in layout.labels { draw(label, layout, on: &pixels) }
    return PixelImage(height: layout.height, width: width, channels: channels, pixels: pixels)
  }

  /// A row of an image, every pixel repeated.
  private static func enlarged(_ image: PixelImage, row: Int, by factor: Int) -> [UInt8] {
    let size = image.width * image.channels
    let pixels = image.pixels[(row * size)..<((row + 1) * size)]
    if factor == 1 { return Array(pixels) }
    var wide: [UInt8] = []
    wide.reserveCapacity(size * factor)
    for start in stride(from: pixels.startIndex, to: pixels.endIndex, by: image.channels) {
      for _ in 0..<factor { wide += pixels[start..<(start + image.channels)] }
    }
    return wide
  }

  /// A name in black.
  private static func draw(
    _ label: (text: String, top: Int, left: Int), _ layout: GridLayout, on pixels: inout [UInt8]
  ) {
    let (letters, ink) = PixelFont.drawn(label.text)
    let (scale, channels) = (layout.letterScale, layout.shape.channels)
    for y in 0..<(PixelFont.height * scale) {
      for x in 0..<(letters * scale) where ink[y / scale * letters + x / scale] {
        let (row, column) = (label.top + y, label.left + x)
        guard row < layout.height, column < layout.width else { continue }
        let target = (row * layout.width + column) * channels
        for channel in 0..<channels { pixels[target + channel] = 0 }
      }
    }
  }

  /// The channels of an image side by side, in grey, with a line of pixels between them.
  package static func channels(of image: PixelImage) -> PixelImage {
    let area = image.height * image.width
    let planes = (0..<image.channels).map { channel in
      PixelImage(
        height: image.height, width: image.width, channels: 1,
        pixels: (0..<area).map { image.pixels[$0 * image.channels + channel] })
    }
    var layout = GridLayout(planes[0].shape, rows: 1, columns: image.channels)
    layout.padding = 1
    return compose(planes, layout)
  }
}
