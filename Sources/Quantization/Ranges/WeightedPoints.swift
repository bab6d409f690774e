/// Values that a range is searched over, each with a weight: a weight tensor's own values, or a histogram of activations.
package struct WeightedPoints: Sendable {
  package private(set) var values: [Double] = []
  package private(set) var weights: [Double] = []

  /// Points kept per activation site between searches; more are merged into bins of equal width.
  package static let binCount = 4096

  package init() {}

  /// Every value with weight 1.
  package init(_ exact: some Sequence<Float>) {
    values = exact.map(Double.init)
    weights = [Double](repeating: 1, count: values.count)
  }

  /// Adds values of the given extremes, grouped in `binCount` bins when they are many. A bin stands for its values by
  /// their mean, so a bin of one value is exact; the width is a sixteenth of an 8-bit step.
  package mutating func append(_ added: [Float], extremes: ValueRange) {
    if added.count <= Self.binCount {
      values += added.map(Double.init)
      weights += [Double](repeating: 1, count: added.count)
    } else {
      var bins = Bins(extremes)
      for value in added { bins.add(Double(value), weight: 1) }
      appendBins(bins)
    }
    if values.count > 4 * Self.binCount { merge() }
  }

  /// Adds the points of another group of values.
  package mutating func append(_ other: WeightedPoints) {
    values += other.values
    weights += other.weights
    if values.count > 4 * Self.binCount { merge() }
  }

  private mutating func merge() {
    var bins = Bins(ValueRange(lower: values.min()!, upper: values.max()!))
    for (value, weight) in zip(values, weights) { bins.add(value, weight: weight) }
    (values, weights) = ([], [])
    appendBins(bins)
  }

  private mutating func appendBins(_ bins: Bins) {
    for (sum, weight) in zip(bins.sums, bins.weights) where weight > 0 {
      values.append(sum / weight)
      weights.append(weight)
    }
  }

  private struct Bins {
    var sums = [Double](repeating: 0, count: binCount)
    var weights = [Double](repeating: 0, count: binCount)
    private let lower: Double
    private let perUnit: Double

    init(_ extremes: ValueRange) {
      lower = extremes.lower
      let width = extremes.upper - extremes.lower
      perUnit = width > 0 ? Double(binCount) / width : 0
    }

    @inline(__always) mutating func add(_ value: Double, weight: Double) {
      let bin = min(Int((value - lower) * perUnit), binCount - 1)
      sums[bin] += value * weight
      weights[bin] += weight
    }
  }

  /// The candidate of least score; the first of equals.
  package func best(of candidates: [ValueRange], rule: GridRule) -> ValueRange {
    var (best, least) = (candidates[0], Double.infinity)
    for candidate in candidates {
      let score = totalError(rule.grid(candidate), limit: least)
      if score < least { (best, least) = (candidate, score) }
    }
    return best
  }

  /// Weighted mean of |x^ - x|^2.4.
  package func score(_ grid: Grid) -> Double {
    totalError(grid, limit: .infinity) / weights.reduce(0, +)
  }

  /// Weighted sum of |x^ - x|^2.4; stops early, with a value not below `limit`, once `limit` is reached.
  private func totalError(_ grid: Grid, limit: Double) -> Double {
    var total = 0.0
    for start in stride(from: 0, to: values.count, by: 64) {
      for i in start..<min(start + 64, values.count) {
        total += weights[i] * power2_4(abs(grid.rounded(values[i]) - values[i]))
      }
      if total >= limit { return total }
    }
    return total
  }
}

extension WeightedPoints {
  /// Weighted sum of what `measure` makes of x^ - x.
  package func error(_ grid: Grid, _ measure: (Double) -> Double) -> Double {
    zip(values, weights).reduce(0) { $0 + $1.1 * measure(grid.rounded($1.0) - $1.0) }
  }

  /// 1 - cosine of the angle between x^ and x; 1 where one of them is all zeros.
  package func angle(_ grid: Grid) -> Double {
    var (product, own, other) = (0.0, 0.0, 0.0)
    for (x, weight) in zip(values, weights) {
      let rounded = grid.rounded(x)
      product += weight * x * rounded
      own += weight * x * x
      other += weight * rounded * rounded
    }
    let norm = (own * other).squareRoot()
    return norm > 0 ? 1 - product / norm : 1
  }

  /// The smallest magnitude that at least `share` of the weight does not exceed.
  func magnitude(below share: Double) -> Double {
    let sorted = zip(values, weights).map { (abs($0), $1) }.sorted { $0.0 < $1.0 }
    let limit = share * weights.reduce(0, +)
    var sum = 0.0
    for (magnitude, weight) in sorted {
      sum += weight
      if sum >= limit { return magnitude }
    }
    return sorted.last?.0 ?? 0
  }
}

/// x^2.4 = x^2 (x^2)^(1/5) for x >= 0, to a few units in the last place.
///
/// Written out with IEEE operations alone (Newton's iteration for the fifth root) rather than with the C library's `pow`,
/// whose last bit differs between libraries: the same weights give the same codes on every machine.
package func power2_4(_ x: Double) -> Double {
  let square = x * x
  guard square >= 1e-280, square <= 1e280 else { return square < 1 ? 0 : .infinity }
  // A fifth of the exponent bits gives the root to within 4 %; each iteration squares that error and doubles it.
  var root = Double(bitPattern: square.bitPattern / 5 &+ 0x3325_d0e5_6041_8937)
  for _ in 0..<4 {
    let fourth = (root * root) * (root * root)
    root = (4 * root + square / fourth) * 0.2
  }
  return square * root
}
