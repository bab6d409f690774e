import Networks
import Tensors

/// How pixels are prepared for the FID network: each program's own way, because the way changes scores.
package enum InceptionMode: String, Sendable, CaseIterable {
  case pytorchFID = "pytorch-fid"
  case torchFidelity = "torch-fidelity"
  case clean
  case adm

  /// In words, as results carry it.
  package var preparation: String {
    switch self {
    case .pytorchFID: "RGB u8 / 255, bilinear to 299x299 without antialiasing, 2 x - 1"
    case .torchFidelity: "RGB u8, TensorFlow 1 bilinear to 299x299, (x - 128) / 128"
    case .clean: "RGB u8, antialiased bicubic to 299x299 in Float, clamped to 0...255, (x - 128) / 128"
    case .adm: "RGB u8, TensorFlow 1 bilinear to 299x299, (x - 128) * 0.0078125"
    }
  }

  /// The network's input for 8-bit images (N H W C, one channel or three): N x 3 x 299 x 299. One channel is repeated.
  func prepare(_ pixels: [UInt8], shape: ImageShape) -> Tensor {
    let size = InceptionV3.imageShape
    let plane = size.height * size.width
    let count = pixels.count / shape.count
    var x = Tensor([count] + size.dims)
    let resize = resizer(from: shape)
    pixels.withUnsafeBufferPointer { pixels in
      x.values.withUnsafeMutableBufferPointer { x in
        for image in 0..<count {
          for channel in 0..<3 {
            let target = x.baseAddress! + (image * 3 + channel) * plane
            if shape.channels == 1 && channel > 0 {
              target.update(from: x.baseAddress! + image * 3 * plane, count: plane)
              continue
            }
            resize(pixels.baseAddress! + image * shape.count + channel, target)
            scale(target, plane)
          }
        }
      }
    }
    return x
  }

  private func resizer(
    from shape: ImageShape
  ) -> (UnsafePointer<UInt8>, UnsafeMutablePointer<Float>) -> Void {
    let size = InceptionV3.imageShape
    switch self {
    case .pytorchFID:
      let resize = BilinearResize(from: shape, height: size.height, width: size.width, .halfPixelCentres)
      return { resize.write($0, to: $1) }
    case .torchFidelity, .adm:
      let resize = BilinearResize(from: shape, height: size.height, width: size.width, .corners)
      return { resize.write($0, to: $1) }
    case .clean:
      let resize = BicubicResize(from: shape, height: size.height, width: size.width)
      return { resize.write($0, to: $1) }
    }
  }

  /// From levels to the network's range.
  private func scale(_ values: UnsafeMutablePointer<Float>, _ count: Int) {
    switch self {
    case .pytorchFID: for i in 0..<count { values[i] = values[i] / 255 * 2 - 1 }
    case .torchFidelity, .adm: for i in 0..<count { values[i] = (values[i] - 128) * 0x1p-7 }
    case .clean: for i in 0..<count { values[i] = (min(max(values[i], 0), 255) - 128) * 0x1p-7 }
    }
  }
}
