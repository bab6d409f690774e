import Graphs
import Tensors

extension ProgramRunner {
  /// Rows `rows` of a pooled image, H W C. Each output folds its window's pixels in row order; a mean is their sum times
  /// the reciprocal of their number. Additions, maxima and one product in Float only, so that the compiler may use any
  /// vector width without changing a bit.
  static func slide(
    _ pooling: Pooling, from source: UnsafePointer<Float>, height: Int, width: Int, channels: Int,
    to target: UnsafeMutablePointer<Float>, rows: Range<Int>, columns: Int
  ) {
    for row in rows {
      let sourceRows = inside(row, pooling, height)
      for column in 0..<columns {
        let sourceColumns = inside(column, pooling, width)
        let out = target + (row * columns + column) * channels
        var isFirst = true
        for y in sourceRows {
          for x in sourceColumns {
            let pixel = source + (y * width + x) * channels
            if isFirst {
              out.update(from: pixel, count: channels)
              isFirst = false
            } else {
              switch pooling.kind {
              case .maximum: for c in 0..<channels { out[c] = pixel[c] > out[c] ? pixel[c] : out[c] }
              case .mean: for c in 0..<channels { out[c] += pixel[c] }
              }
            }
          }
        }
        if pooling.kind == .mean {
          let reciprocal = 1 / Float(sourceRows.count * sourceColumns.count)
          for c in 0..<channels { out[c] *= reciprocal }
        }
      }
    }
  }

  /// The window's pixels inside an axis of `size` at `place`.
  static func inside(_ place: Int, _ pooling: Pooling, _ size: Int) -> Range<Int> {
    let start = place * pooling.stride - pooling.padding
    return max(start, 0)..<min(start + pooling.size, size)
  }
}
