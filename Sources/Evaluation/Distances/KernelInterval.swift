import Synchronization
import Tensors

extension KernelDistance {
  /// An interval of the mean over subsets. That mean estimates the unbiased distance of the whole sets, from some of their
  /// subsets: its error is that of the whole sets' distance, by groups of either set, and that of a mean over so many.
  ///
  /// One pass over all pairs of images. Memory for each thread: 8 (2 N d / 10 + 512 N / 10) bytes for sets of N images.
  /// - Throws: `EvaluationError` for fewer than 20 images in a set, and when the sets cannot be compared.
  package func interval(
    _ a: FeatureSet, _ b: FeatureSet, seed: UInt64, pool: WorkerPool
  ) throws(EvaluationError) -> ScoreInterval {
    try FeatureSet.requireComparable(a, b)
    try a.requireGroups(of: "an interval")
    try b.requireGroups(of: "an interval")
    let groups = (
      a: GroupJackknife.groups(a.count, seed: seed, .generatedGroups),
      b: GroupJackknife.groups(b.count, seed: seed, .referenceGroups)
    )
    let within = (
      a: try GroupKernelSums(a, groups.a, a, groups.a, isWithin: true, pool: pool),
      b: try GroupKernelSums(b, groups.b, b, groups.b, isWithin: true, pool: pool)
    )
    let between = try GroupKernelSums(a, groups.a, b, groups.b, isWithin: false, pool: pool)
    /// The unbiased distance without group `g` of a and `h` of b; nil for all of them.
    func distance(withoutA g: Int?, withoutB h: Int?) -> Double {
      let countA = Double(a.count - (g.map { groups.a[$0].count } ?? 0))
      let countB = Double(b.count - (h.map { groups.b[$0].count } ?? 0))
      return within.a.total(withoutRow: g, withoutColumn: g) / (countA * (countA - 1))
        + within.b.total(withoutRow: h, withoutColumn: h) / (countB * (countB - 1))
        - 2 * between.total(withoutRow: g, withoutColumn: h) / (countA * countB)
    }
    let all = 0..<GroupJackknife.groupCount
    let errors = [
      GroupJackknife.squaredError(all.map { distance(withoutA: $0, withoutB: nil) }),
      GroupJackknife.squaredError(all.map { distance(withoutA: nil, withoutB: $0) }),
      deviation * deviation / Double(subsets.count),
    ]
    return ScoreInterval(bounds: GroupJackknife.interval(mean, squaredErrors: errors), coversReference: true)
  }
}

/// Sums of the kernel over pairs of groups: of one set's images with themselves, without each one's pair with itself, or of two
/// sets' images.
private struct GroupKernelSums {
  /// Row by row.
  private var sums: [Double]
  private let columns: Int

  init(
    _ a: FeatureSet, _ rows: [[Int]], _ b: FeatureSet, _ columns: [[Int]], isWithin: Bool, pool: WorkerPool
  ) throws(EvaluationError) {
    let pairs = rows.indices.flatMap { g in columns.indices.filter { !isWithin || $0 >= g }.map { (g, $0) } }
    let found = Mutex([Result<Double, LinearAlgebraError>?](repeating: nil, count: pairs.count))
    pool.parallel(pairs.count) { number in
      let (g, h) = pairs[number]
      let sum = Result { () throws(LinearAlgebraError) in
        try KernelDistance.kernelSum(
          a.matrix(rows[g]), b.matrix(columns[h]), skipsDiagonal: isWithin && g == h)
      }
      found.withLock { $0[number] = sum }
    }
    self.columns = columns.count
    sums = [Double](repeating: 0, count: rows.count * columns.count)
    for ((g, h), result) in zip(pairs, found.withLock({ $0 })) {
      do throws(LinearAlgebraError) {
        guard let sum = try result?.get() else { continue }
        sums[g * self.columns + h] = sum
        if isWithin { sums[h * self.columns + g] = sum }
      } catch {
        throw .linearAlgebra(error)
      }
    }
  }

  func total(withoutRow row: Int?, withoutColumn column: Int?) -> Double {
    sums.indices.reduce(0) { $1 / columns == row || $1 % columns == column ? $0 : $0 + sums[$1] }
  }
}
