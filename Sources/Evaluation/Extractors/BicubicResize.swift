import Tensors

/// Bicubic resize of one channel of 8-bit images (H W C) as Pillow resizes images of mode F: Keys' kernel with a = -1/2
/// (Keys 1981, equation 4), stretched by the factor of reduction where the image shrinks, so that nothing is skipped. First
/// along rows, then along columns (newer versions of Pillow change the order for some sizes, and with it last bits); sums in
/// Double, each pass rounded to Float once. Results may lie outside 0...255.
package struct BicubicResize {
  /// The consecutive input pixels of one output pixel, with weights of sum 1.
  private struct Taps {
    let first: Int
    let weights: [Double]
  }

  private static let support = 2.0

  private let shape: ImageShape
  private let rows: [Taps]
  private let columns: [Taps]

  init(from shape: ImageShape, height: Int, width: Int) {
    self.shape = shape
    rows = Self.taps(shape.height, height)
    columns = Self.taps(shape.width, width)
  }

  private static func taps(_ input: Int, _ output: Int) -> [Taps] {
    let scale = Double(input) / Double(output)
    let stretch = max(scale, 1)
    let reach = support * stretch
    return (0..<output).map { i in
      // Equal sizes copy; the kernel would give weights 0, 1, 0, 0 all the same.
      let centre = (Double(i) + 0.5) * scale
      let first = max(Int(centre - reach + 0.5), 0)
      let end = min(Int(centre + reach + 0.5), input)
      let inverse = 1 / stretch
      var weights = (first..<end).map { kernel((Double($0) - centre + 0.5) * inverse) }
      let sum = weights.reduce(0, +)
      for k in weights.indices { weights[k] /= sum }
      return Taps(first: first, weights: weights)
    }
  }

  private static func kernel(_ distance: Double) -> Double {
    let a = -0.5
    let x = abs(distance)
    if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
    return 0
  }

  /// The first channel of one image, row by row.
  package static func resized(_ pixels: [UInt8], shape: ImageShape, height: Int, width: Int) -> [Float] {
    precondition(pixels.count == shape.count)
    var out = [Float](repeating: 0, count: height * width)
    pixels.withUnsafeBufferPointer { pixels in
      out.withUnsafeMutableBufferPointer { out in
        BicubicResize(from: shape, height: height, width: width).write(pixels.baseAddress!, to: out.baseAddress!)
      }
    }
    return out
  }

  /// Writes a channel, row by row.
  /// - Parameters: pixels: from the channel's first sample on; target: room for height * width values.
  func write(_ pixels: UnsafePointer<UInt8>, to target: UnsafeMutablePointer<Float>) {
    let width = columns.count
    withUnsafeTemporaryAllocation(of: Float.self, capacity: shape.height * width) { stretched in
      for y in 0..<shape.height {
        let row = pixels + y * shape.width * shape.channels
        for (x, column) in columns.enumerated() {
          var sum = 0.0
          for (k, weight) in column.weights.enumerated() {
            sum += Double(row[(column.first + k) * shape.channels]) * weight
          }
          stretched[y * width + x] = Float(sum)
        }
      }
      withUnsafeTemporaryAllocation(of: Double.self, capacity: width) { sums in
        for (y, row) in rows.enumerated() {
          for x in 0..<width { sums[x] = 0 }
          for (k, weight) in row.weights.enumerated() {
            let line = stretched.baseAddress! + (row.first + k) * width
            for x in 0..<width { sums[x] += Double(line[x]) * weight }
          }
          for x in 0..<width { target[y * width + x] = Float(sums[x]) }
        }
      }
    }
  }
}
