import Tensors

/// Structural similarity of two images (Wang, Bovik, Sheikh & Simoncelli 2004, "Image quality assessment: from error
/// visibility to structural similarity", equation 13), averaged over all places of the window (equation 17).
///
/// K1 = 0.01, K2 = 0.03, L = 255, an 11x11 Gaussian window of deviation 1.5 that never leaves the image, moments weighted
/// by the window without a sample correction. Colour images are the mean over their channels. Differs: no downsampling of large
/// images first, as the authors' later script does. Where an image is smaller than the window, the window is the
/// largest odd square that fits, its weights renormalised.
package enum StructuralSimilarity {
  static let windowSize = 11
  static let deviation = 1.5
  static let peak = 255.0
  private static let luminanceConstant = (0.01 * peak) * (0.01 * peak)
  private static let contrastConstant = (0.03 * peak) * (0.03 * peak)

  /// Mean similarity of two 8-bit images, H W C: 1 for equal ones, and at most that.
  /// - Precondition: both are one image of `shape`.
  package static func mean(reference: [UInt8], other: [UInt8], shape: ImageShape) -> Double {
    precondition(reference.count == shape.count && other.count == shape.count)
    let window = window(for: shape)
    var sum = 0.0
    for channel in 0..<shape.channels {
      let (x, y) = (plane(reference, channel, shape), plane(other, channel, shape))
      sum += similarity(x, y, height: shape.height, width: shape.width, window)
    }
    return sum / Double(shape.channels)
  }

  /// The window's size for images of `shape`.
  package static func windowSize(for shape: ImageShape) -> Int {
    let side = min(windowSize, shape.height, shape.width)
    return side % 2 == 1 ? side : side - 1
  }

  /// One side of the separable window: exp(-i^2 / (2 * 1.5^2)), sum 1.
  private static func window(for shape: ImageShape) -> [Double] {
    let radius = windowSize(for: shape) / 2
    let weights = (-radius...radius).map { PortableMath.exp(-Double($0 * $0) / (2 * deviation * deviation)) }
    let sum = weights.reduce(0, +)
    return weights.map { $0 / sum }
  }

  private static func plane(_ pixels: [UInt8], _ channel: Int, _ shape: ImageShape) -> [Double] {
    stride(from: channel, to: pixels.count, by: shape.channels).map { Double(pixels[$0]) }
  }

  private static func similarity(
    _ x: [Double], _ y: [Double], height: Int, width: Int, _ window: [Double]
  ) -> Double {
    func mean(_ values: [Double]) -> [Double] { filtered(values, height: height, width: width, window) }
    let (meanX, meanY) = (mean(x), mean(y))
    let squaresX = mean(zip(x, x).map { $0 * $1 })
    let squaresY = mean(zip(y, y).map { $0 * $1 })
    let products = mean(zip(x, y).map { $0 * $1 })
    var sum = 0.0
    for i in meanX.indices {
      let (mx, my) = (meanX[i], meanY[i])
      let (varianceX, varianceY) = (squaresX[i] - mx * mx, squaresY[i] - my * my)
      let covariance = products[i] - mx * my
      sum +=
        (2 * mx * my + luminanceConstant) * (2 * covariance + contrastConstant)
        / ((mx * mx + my * my + luminanceConstant) * (varianceX + varianceY + contrastConstant))
    }
    return sum / Double(meanX.count)
  }

  /// Weighted means over all places of the window inside the image, row by row: first along rows, then along columns.
  private static func filtered(_ values: [Double], height: Int, width: Int, _ window: [Double]) -> [Double] {
    let (columns, rows) = (width - window.count + 1, height - window.count + 1)
    var along = [Double](repeating: 0, count: height * columns)
    for row in 0..<height {
      for column in 0..<columns {
        var sum = 0.0
        for (tap, weight) in window.enumerated() { sum += weight * values[row * width + column + tap] }
        along[row * columns + column] = sum
      }
    }
    var out = [Double](repeating: 0, count: rows * columns)
    for row in 0..<rows {
      for column in 0..<columns {
        var sum = 0.0
        for (tap, weight) in window.enumerated() { sum += weight * along[(row + tap) * columns + column] }
        out[row * columns + column] = sum
      }
    }
    return out
  }
}
