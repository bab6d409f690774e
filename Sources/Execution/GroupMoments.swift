import Graphs

/// Mean and inverse standard deviation of each group of channels of one image, in Double from per-channel sums.
struct GroupMoments {
  let groups: Int
  /// Channels of a group.
  let size: Int
  /// Values of a group.
  private let count: Double
  private(set) var means: [Double] = []
  private(set) var inverses: [Double] = []

  init(channels: Int, pixels: Int, groups: Int) {
    self.groups = groups
    size = channels / groups
    count = Double(pixels * size)
  }

  /// First pass: `sums` of the values per channel.
  mutating func setMeans(_ sums: UnsafePointer<Float>) { means = averages(sums) }

  /// Second pass: `squares`, sums per channel of squared distances from the group's mean. Two passes, so that a mean far
  /// from zero costs no digits.
  mutating func setInverses(_ squares: UnsafePointer<Float>, epsilon: Float) {
    inverses = averages(squares).map { 1 / ($0 + Double(epsilon)).squareRoot() }
  }

  private func averages(_ sums: UnsafePointer<Float>) -> [Double] {
    (0..<groups).map { group in channels(of: group).reduce(0) { $0 + Double(sums[$1]) } / count }
  }

  func channels(of group: Int) -> Range<Int> { (group * size)..<((group + 1) * size) }

  /// The means in Float, per channel.
  func writeCenters(to centers: UnsafeMutablePointer<Float>) {
    for group in 0..<groups { for c in channels(of: group) { centers[c] = Float(means[group]) } }
  }

  /// Normalisation with its affine part as x scale[c] + shift[c].
  /// - Parameter centers: what `writeCenters` wrote.
  func writeAffine(
    gamma: [Float], beta: [Float], centers: UnsafePointer<Float>, scale: UnsafeMutablePointer<Float>,
    shift: UnsafeMutablePointer<Float>
  ) {
    for group in 0..<groups {
      for c in channels(of: group) {
        let factor = Double(gamma[c]) * inverses[group]
        scale[c] = Float(factor)
        shift[c] = Float(Double(beta[c]) - Double(centers[c]) * factor)
      }
    }
  }
}
