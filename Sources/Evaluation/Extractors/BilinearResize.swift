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

  /// Writes a channel, row by row, each level passed through `value`.
  /// - Parameters: pixels, start: the channel's first sample; target, first: where the result goes.
  func write(
    _ pixels: [UInt8], from start: Int, to target: inout [Float], from first: Int, _ value: (Float) -> Float
  ) {
    var place = first
    for row in rows {
      for column in columns {
        func level(_ y: Int, _ x: Int) -> Float { Float(pixels[start + (y * shape.width + x) * shape.channels]) }
        let top = level(row.first, column.first)
        let above = top + (level(row.first, column.second) - top) * column.weight
        let bottom = level(row.second, column.first)
        let below = bottom + (level(row.second, column.second) - bottom) * column.weight
        target[place] = value(above + (below - above) * row.weight)
        place += 1
      }
    }
  }
}
