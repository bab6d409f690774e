/// The smallest and largest values at a site: channel by channel where channels lie innermost (images, tokens, vectors), else of
/// all values together.
package struct SiteExtremes: Sendable, Equatable {
  /// One per channel, or one.
  package private(set) var lower: [Float]
  package private(set) var upper: [Float]
  /// Whether no value was NaN or infinite; the extremes say nothing otherwise.
  package private(set) var isFinite: Bool

  /// - Parameters: base: `rows` rows of `width` pixels; count: values of a pixel; pixelStride and rowStride: between the
  ///   beginnings of neighbours.
  init(
    _ base: UnsafePointer<Float>, count: Int, width: Int, rows: Int, pixelStride: Int, rowStride: Int
  ) {
    var lower = [Float](repeating: .infinity, count: count)
    var upper = [Float](repeating: -.infinity, count: count)
    // Turns NaN on any NaN or infinity.
    var poison = [Float](repeating: 0, count: count)
    lower.withUnsafeMutableBufferPointer { lower in
      upper.withUnsafeMutableBufferPointer { upper in
        poison.withUnsafeMutableBufferPointer { poison in
          guard let low = lower.baseAddress, let high = upper.baseAddress, let bad = poison.baseAddress else { return }
          for row in 0..<rows {
            for column in 0..<width {
              let pixel = base + row * rowStride + column * pixelStride
              for channel in 0..<count {
                let value = pixel[channel]
                low[channel] = value < low[channel] ? value : low[channel]
                high[channel] = value > high[channel] ? value : high[channel]
                bad[channel] += value * 0
              }
            }
          }
        }
      }
    }
    self.lower = lower
    self.upper = upper
    isFinite = !poison.contains(where: \.isNaN)
  }

  /// Of a value where it lies.
  init(_ value: ObservedValue) {
    let count = value.shape.count
    if value.isChannelsLast {
      let positions = value.shape.positions
      self.init(
        value.base, count: value.shape.channels, width: value.width, rows: positions / max(value.width, 1),
        pixelStride: value.pixelStride, rowStride: value.rowStride)
    } else if case .vector = value.shape {
      self.init(value.base, count: count, width: 1, rows: 1, pixelStride: count, rowStride: count)
    } else {
      self.init(value.base, count: 1, width: count, rows: 1, pixelStride: 1, rowStride: count)
    }
  }

  /// Widens these to hold those of another image, too.
  package mutating func formUnion(_ other: SiteExtremes) {
    for channel in lower.indices {
      lower[channel] = min(lower[channel], other.lower[channel])
      upper[channel] = max(upper[channel], other.upper[channel])
    }
    isFinite = isFinite && other.isFinite
  }
}
