import Tensors

/// The one conversion between images in [-1, 1] (N C H W) and 8-bit samples (N H W C), for PNG, samples and features alike.
package enum PixelConversion {
  /// clamp(rint((x + 1) * 127.5)) to 0...255, halves to even. NaN, which no working model produces, becomes 0.
  @inline(__always) package static func code(_ x: Float) -> UInt8 {
    let level = roundHalfToEven((x + 1) * 127.5)
    return level > 0 ? (level < 255 ? UInt8(level) : 255) : 0
  }

  /// u / 127.5 - 1, in [-1, 1]. `code(value(u)) == u` for every u.
  @inline(__always) package static func value(_ code: UInt8) -> Float { Float(code) / 127.5 - 1 }

  /// Samples N H W C of images N C H W.
  package static func pixels(_ images: Tensor) -> [UInt8] {
    precondition(images.rank == 4, "images are N C H W, found \(images.dims)")
    let (channels, area) = (images.dims[1], images.dims[2] * images.dims[3])
    return [UInt8](unsafeUninitializedCapacity: images.count) { buffer, initialized in
      for image in 0..<images.dims[0] {
        let start = image * channels * area
        for channel in 0..<channels {
          for pixel in 0..<area {
            buffer[start + pixel * channels + channel] = code(images.values[start + channel * area + pixel])
          }
        }
      }
      initialized = images.count
    }
  }

  /// Images N C H W in [-1, 1] of samples N H W C.
  package static func images(_ pixels: [UInt8], shape: ImageShape) -> Tensor {
    precondition(pixels.count % shape.count == 0, "\(pixels.count) samples are no whole number of images \(shape)")
    let (channels, area) = (shape.channels, shape.height * shape.width)
    let values = [Float](unsafeUninitializedCapacity: pixels.count) { buffer, initialized in
      for image in 0..<(pixels.count / shape.count) {
        let start = image * shape.count
        for channel in 0..<channels {
          for pixel in 0..<area {
            buffer[start + channel * area + pixel] = value(pixels[start + pixel * channels + channel])
          }
        }
      }
      initialized = pixels.count
    }
    return Tensor([pixels.count / shape.count] + shape.dims, values)
  }
}

extension PixelImage {
  /// Image `index` of a batch N C H W in [-1, 1].
  package init(_ images: Tensor, image index: Int) {
    self.init(
      height: images.dims[2], width: images.dims[3], channels: images.dims[1],
      pixels: PixelConversion.pixels(images.rows(index..<(index + 1))))
  }
}
