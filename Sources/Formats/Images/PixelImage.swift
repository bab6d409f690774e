import Tensors

/// One image of 8-bit samples, rows from top to bottom, channels interleaved (H W C); 1 channel is grey, 3 are RGB, and any
/// other number is what a network makes of its own data.
package struct PixelImage: Sendable, Equatable {
  package let height: Int
  package let width: Int
  package let channels: Int
  package let pixels: [UInt8]

  /// - Precondition: positive sides and channels, and as many samples as they give.
  package init(height: Int, width: Int, channels: Int, pixels: [UInt8]) {
    precondition(height > 0 && width > 0 && channels > 0, "\(height) x \(width) x \(channels)")
    precondition(pixels.count == height * width * channels)
    self.height = height
    self.width = width
    self.channels = channels
    self.pixels = pixels
  }

  package var shape: ImageShape { ImageShape(channels: channels, height: height, width: width) }
}
