import Tensors

/// A histogram of values over their whole range, for the divergence between it and its quantised form.
struct ValueHistogram {
  /// Bins of equal width: sixteen for each level of an 8-bit grid.
  static let binCount = 4096
  /// Added to every probability, so that empty bins have a logarithm (TFMQ-DM's released code).
  private static let smoothing = 1e-5

  private let lower: Double
  private let width: Double
  private var weights = [Double](repeating: 0, count: binCount)

  init(_ points: WeightedPoints, extremes: ValueRange) {
    lower = extremes.lower
    width = (extremes.upper - extremes.lower) / Double(Self.binCount)
    for (value, weight) in zip(points.values, points.weights) { weights[bin(of: value)] += weight }
  }

  private func bin(of value: Double) -> Int {
    width > 0 ? min(max(Int((value - lower) / width), 0), Self.binCount - 1) : 0
  }

  /// D(p, q): p is the histogram with what lies outside `range` moved to its ends; q gives every level's weight, without
  /// what was moved, evenly to those of its bins that are not empty.
  func divergence(clippedTo range: ValueRange, levels: Int) -> Double {
    let (first, last) = (bin(of: range.lower), bin(of: range.upper))
    var clipped = Array(weights[first...last])
    clipped[0] += weights[..<first].reduce(0, +)
    clipped[clipped.count - 1] += weights[(last + 1)...].reduce(0, +)
    var quantized = [Double](repeating: 0, count: clipped.count)
    for level in 0..<levels {
      let bins = (clipped.count * level / levels)..<(clipped.count * (level + 1) / levels)
      let filled = bins.filter { clipped[$0] > 0 }
      let share = bins.reduce(0) { $0 + weights[first + $1] } / Double(max(filled.count, 1))
      for bin in filled { quantized[bin] = share }
    }
    let (p, q) = (Self.smoothed(clipped), Self.smoothed(quantized))
    return zip(p, q).reduce(0) { $0 + $1.0 * PortableMath.log($1.0 / $1.1) }
  }

  private static func smoothed(_ weights: [Double]) -> [Double] {
    let total = weights.reduce(0, +)
    let norm = 1 + smoothing * Double(weights.count)
    return weights.map { ((total > 0 ? $0 / total : 0) + smoothing) / norm }
  }
}
