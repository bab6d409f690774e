import Synchronization
import Tensors

/// The squared maximum mean discrepancy of two sets of features under a polynomial kernel, unbiased (Gretton et al. 2012,
/// equation 3; Bińkowski, Sutherland, Arbel & Gretton 2018, section 4): KID on Inception features, and named after its
/// extractor everywhere. It may be negative: its expectation for equal distributions is 0, for any number of images.
package struct KernelDistance: Sendable, Equatable {
  /// k(x, y) = (x.y / d + 1)^3.
  package static let degree = 3
  package static let coefficient = 1.0

  /// How many random subsets of each set are compared, and of how many images.
  package struct Subsets: Sendable, Equatable {
    package var count: Int
    package var size: Int
    /// torch-fidelity's.
    package static let standard = Subsets(count: 100, size: 1000)
    package init(count: Int, size: Int) {
      self.count = count
      self.size = size
    }
  }

  /// Mean over subsets.
  package let mean: Double
  /// Standard deviation over subsets (divisor: their number): of one subset's estimate, not of the mean.
  package let deviation: Double
  /// What was used; smaller subsets than asked for where a set is small.
  package let subsets: Subsets
  package let warnings: [String]

  /// KID only for the published Inception network.
  package static func title(_ extractor: FeatureExtractorIdentity?) -> String {
    ScoreTitle.of("Kernel distance", on: extractor, published: [.pool3: "KID"])
  }

  /// Images of a subset that are multiplied with the whole other subset at a time.
  private static let block = 512

  /// Subsets drawn without replacement, one sequence for each seed; the result does not depend on the pool.
  /// Memory for each thread: 8 (2 m d + 512 m) bytes for subsets of m images.
  /// - Throws: `EvaluationError` when the sets cannot be compared, or one has fewer than 4 images.
  package static func compute(
    _ a: FeatureSet, _ b: FeatureSet, subsets: Subsets = .standard, seed: UInt64, pool: WorkerPool
  ) throws(EvaluationError) -> KernelDistance {
    let smaller = min(a.count, b.count)
    guard smaller >= 4 else { throw .tooFewForMetric(metric: "a kernel distance", needed: 4, found: smaller) }
    var used = subsets
    var warnings: [String] = []
    if smaller < subsets.size {
      // Halves, so that subsets differ and their deviation says something.
      used.size = smaller / 2
      warnings.append(
        "kernel distance: \(smaller) images are fewer than a subset of \(subsets.size); subsets of \(used.size) instead"
      )
    }
    let choices = (0..<used.count).map { number in
      (
        ScoreRandom.choice(used.size, of: a.count, seed: seed, .firstSubset, number),
        ScoreRandom.choice(used.size, of: b.count, seed: seed, .secondSubset, number)
      )
    }
    return try compute(a, b, choices: choices, warnings: warnings, pool: pool)
  }

  /// As above, with the subsets given: positions in `a` and in `b`, as many in all of them, at least 2.
  package static func compute(
    _ a: FeatureSet, _ b: FeatureSet, choices: [(first: [Int], second: [Int])], warnings: [String] = [],
    pool: WorkerPool
  ) throws(EvaluationError) -> KernelDistance {
    try FeatureSet.requireComparable(a, b)
    let found = Mutex([Result<Double, LinearAlgebraError>?](repeating: nil, count: choices.count))
    pool.parallel(choices.count) { number in
      let estimate = Result { () throws(LinearAlgebraError) in
        try Self.estimate(a.matrix(choices[number].first), b.matrix(choices[number].second))
      }
      found.withLock { $0[number] = estimate }
    }
    var estimates: [Double] = []
    for result in found.withLock({ $0 }) {
      do throws(LinearAlgebraError) { if let value = try result?.get() { estimates.append(value) } } catch {
        throw .linearAlgebra(error)
      }
    }
    let mean = estimates.reduce(0, +) / Double(estimates.count)
    let variance = estimates.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(estimates.count)
    return KernelDistance(
      mean: mean, deviation: variance.squareRoot(),
      subsets: Subsets(count: choices.count, size: choices.first?.first.count ?? 0), warnings: warnings)
  }

  /// sum_{i≠j} k(x_i, x_j) / (m (m - 1)) + the same of y - 2 sum_{ij} k(x_i, y_j) / m^2.
  private static func estimate(_ x: DoubleMatrix, _ y: DoubleMatrix) throws(LinearAlgebraError) -> Double {
    let m = Double(x.rows)
    let withinX = try kernelSum(x, x, skipsDiagonal: true)
    let withinY = try kernelSum(y, y, skipsDiagonal: true)
    let between = try kernelSum(x, y, skipsDiagonal: false)
    return (withinX + withinY) / (m * (m - 1)) - 2 * between / (m * m)
  }

  /// sum_{ij} k(x_i, y_j), or over i≠j.
  static func kernelSum(
    _ x: DoubleMatrix, _ y: DoubleMatrix, skipsDiagonal: Bool
  ) throws(LinearAlgebraError) -> Double {
    let gamma = 1 / Double(x.columns)
    var total = 0.0
    for start in stride(from: 0, to: x.rows, by: block) {
      let end = min(start + block, x.rows)
      let part = DoubleMatrix(
        rows: end - start, columns: x.columns, Array(x.values[(start * x.columns)..<(end * x.columns)]))
      let products = try part.multiplied(by: y, transposed: true)
      for i in 0..<products.rows {
        // A sum for each row first: a sum of m terms of m terms each keeps two more digits than one of m^2.
        var sum = 0.0
        for j in 0..<products.columns where !(skipsDiagonal && start + i == j) {
          let base = products[i, j] * gamma + coefficient
          sum += base * base * base
        }
        total += sum
      }
    }
    return total
  }
}
