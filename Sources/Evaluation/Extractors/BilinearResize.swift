import Tensors

/// Bilinear resize of one channel of 8-bit images (H W C) without antialiasing: each output is a weighted mean of the four
/// nearest input pixels, so that shrinking skips pixels. Not a good resize, but the one that published scores were made with.
struct BilinearResize {
  /// Where output pixel i lies in the input.
  enum Positions: Sendable {
    /// (i + 1/2) * input / output - 1/2, at least 0 (PyTorch's `align_corners=False`).
    case halfPixelCentres
    /// i * input / output (TensorFlow 1).
    case corners
  }

  /// The two input pixels of one output pixel, and the second one's weight.
  private struct Taps {
    let first: Int
    let second: Int
    let weight: Float
  }

  private let shape: ImageShape
  private let rows: [Taps]
  private let columns: [Taps]

  init(from shape: ImageShape, height: Int, width: Int, _ positions: Positions) {
    self.shape = shape
    rows = Self.taps(shape.height, height, positions)
    columns = Self.taps(shape.width, width, positions)
  }

  private static func taps(_ input: Int, _ output: Int, _ positions: Positions) -> [Taps] {
    // In Float, as both programs do.
    let scale = Float(input) / Float(output)
    return (0..<output).map { i in
      let position: Float =
        switch positions {
        case .halfPixelCentres: max((Float(i) + 0.5) * scale - 0.5, 0)
        case .corners: Float(i) * scale
        }
      let first = min(Int(position), input - 1)
      return Taps(first: first, second: min(first + 1, input - 1), weight: position - Float(first))
    }
  }

  /// Writes a channel's levels, 0 to 255, row by row.
  /// - Parameters: pixels: from the channel's first sample on; target: room for height * width values.
  func write(_ pixels: UnsafePointer<UInt8>, to target: UnsafeMutablePointer<Float>) {
    let width = columns.count
    // The two source rows in use, stretched to the output's width: neighbouring output rows share them.
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * width) { lines in
      let base = lines.baseAddress!
      var held = [-1, -1]
      func line(_ source: Int) -> UnsafePointer<Float> {
        let slot = source & 1
        if held[slot] != source {
          stretch(pixels + source * shape.width * shape.channels, to: base + slot * width)
          held[slot] = source
        }
        return UnsafePointer(base + slot * width)
      }
      for (y, row) in rows.enumerated() {
        let (above, below) = (line(row.first), line(row.second))
        let out = target + y * width
        for x in 0..<width { out[x] = above[x] + (below[x] - above[x]) * row.weight }
      }
    }
  }

  private func stretch(_ row: UnsafePointer<UInt8>, to line: UnsafeMutablePointer<Float>) {
    for (x, column) in columns.enumerated() {
      let left = Float(row[column.first * shape.channels])
      line[x] = left + (Float(row[column.second * shape.channels]) - left) * column.weight
    }
  }
}
