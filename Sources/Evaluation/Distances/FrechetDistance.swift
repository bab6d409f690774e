import Synchronization
import Tensors

/// The Fréchet distance between the Gaussians with two sets' feature means and covariances (Dowson & Landau 1982; Heusel
/// et al. 2017, equation 6). Named after its extractor everywhere; it is FID only on Inception features.
package struct FrechetDistance: Sendable, Equatable {
  /// |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2)), at least 0.
  package let distance: Double
  /// |m1 - m2|^2.
  package let meanTerm: Double
  /// tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2)) as computed: rounding may leave it slightly below 0.
  package let traceTerm: Double
  /// Sum of the magnitudes of eigenvalues that were read as zero: negative ones, and ones below d * 2^-52 of the largest.
  package let residual: Double
  /// "Fréchet distance on NAME features".
  package let title: String
  package let warnings: [String]

  /// The distance of `a` and `b`; swapping them gives the same bits.
  ///
  /// tr((S1 S2)^(1/2)) is the sum of the singular values of S1^(1/2) S2^(1/2). With S = V D V^T the outer rotations drop
  /// out, which leaves D1^(1/2) (V1^T V2) D2^(1/2). Squaring is avoided: the eigenvalues of S1^(1/2) S2 S1^(1/2) would
  /// lose half of the digits in the near-singular directions. Equal arguments give at most 1e-6 of tr(S1 + S2).
  /// Differs: pytorch-fid adds 1e-6 to the diagonals when its matrix square root fails; this form never fails that way.
  /// - Parameters: names: how warnings and errors call the two; pool: whose threads share the work, with the same result.
  /// - Throws: `EvaluationError` when extractors or dimensions differ, or a covariance has negative eigenvalues.
  package static func compute(
    _ a: FeatureStatistics, _ b: FeatureStatistics, names: (String, String) = ("the first", "the second"),
    pool: WorkerPool? = nil
  ) throws(EvaluationError) -> FrechetDistance {
    let sides = try sides(a, b, names: names, pool: pool)
    return try compute(sides.generated, sides.reference)
  }

  /// Both sides' decompositions: most of the work of a distance.
  /// - Throws: as `compute`.
  package static func sides(
    _ a: FeatureStatistics, _ b: FeatureStatistics, names: (String, String), pool: WorkerPool? = nil
  ) throws(EvaluationError) -> (generated: FrechetSide, reference: FrechetSide) {
    try requireComparable(a, b)
    guard let pool else { return try (FrechetSide(a, name: names.0), FrechetSide(b, name: names.1)) }
    let found = Mutex<[Result<FrechetSide, EvaluationError>?]>([nil, nil])
    pool.parallel(2) { side in
      let result = Result { () throws(EvaluationError) in
        try side == 0 ? FrechetSide(a, name: names.0) : FrechetSide(b, name: names.1)
      }
      found.withLock { $0[side] = result }
    }
    let sides = found.withLock { $0 }
    guard let first = sides[0], let second = sides[1] else { preconditionFailure("a side was not computed") }
    return try (first.get(), second.get())
  }

  /// As above, of sides whose decompositions are there already.
  package static func compute(_ first: FrechetSide, _ second: FrechetSide) throws(EvaluationError) -> FrechetDistance {
    let (a, b) = (first.statistics, second.statistics)
    try requireComparable(a, b)
    let (firstRoot, secondRoot) = (first.root, second.root)
    let meanTerm = zip(a.mean, b.mean).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    let traceTerm = a.covariance.trace + b.covariance.trace - 2 * (try crossTrace(firstRoot, secondRoot))
    // Statistics are finite; their squares need not be.
    guard (meanTerm + traceTerm).isFinite else { throw .notRepresentable(first.name, second.name) }
    return FrechetDistance(
      distance: max(meanTerm + traceTerm, 0), meanTerm: meanTerm, traceTerm: traceTerm,
      residual: firstRoot.residual + secondRoot.residual, title: title(a.extractor ?? b.extractor),
      warnings: a.warnings(name: first.name) + b.warnings(name: second.name))
  }

  private static func requireComparable(_ a: FeatureStatistics, _ b: FeatureStatistics) throws(EvaluationError) {
    if let first = a.extractor, let second = b.extractor, first != second { throw .extractorsDiffer(first, second) }
    guard a.dimension == b.dimension else { throw .dimensionsDiffer(a.dimension, b.dimension) }
  }

  /// FID and sFID only for the published Inception network.
  package static func title(_ extractor: FeatureExtractorIdentity?) -> String {
    ScoreTitle.of("Fréchet distance", on: extractor, published: [.pool3: "FID", .spatial: "sFID"])
  }

  /// tr((S1 S2)^(1/2)). The transposed product has the same singular values but other rounding, so the two are put in
  /// one order first.
  private static func crossTrace(_ a: Root, _ b: Root) throws(EvaluationError) -> Double {
    let inOrder = !(b.roots + b.vectors.values).lexicographicallyPrecedes(a.roots + a.vectors.values)
    let (first, second) = inOrder ? (a, b) : (b, a)
    do throws(LinearAlgebraError) {
      var product = try first.vectors.multiplied(by: second.vectors, transposed: true)
      for i in 0..<product.rows {
        for j in 0..<product.columns { product[i, j] *= first.roots[i] * second.roots[j] }
      }
      return try product.singularValues().reduce(0, +)
    } catch {
      throw .linearAlgebra(error)
    }
  }

  /// S^(1/2) in factored form: rows of `vectors` are the eigenvectors, `roots` the square roots of the eigenvalues.
  fileprivate struct Root: Sendable {
    let roots: [Double]
    let vectors: DoubleMatrix
    let residual: Double

    init(_ covariance: DoubleMatrix, _ precision: MomentPrecision, name: String) throws(EvaluationError) {
      let eigen: SymmetricEigen
      do { eigen = try covariance.symmetricEigen() } catch { throw .linearAlgebra(error) }
      let (smallest, largest) = (eigen.values.first ?? 0, eigen.values.last ?? 0)
      if smallest < -precision.eigenvalue * max(largest, 0) {
        throw .notPositive(which: name, smallest: smallest, largest: largest)
      }
      // What a rank-deficient covariance has in place of zeros is rounding, of either sign, up to about this size; its
      // square roots would be 1e-8 of the largest one's, and count.
      let rounding = Double(eigen.values.count) * .ulpOfOne * largest
      roots = eigen.values.map { $0 <= rounding ? 0 : $0.squareRoot() }
      vectors = eigen.vectors
      residual = eigen.values.filter { $0 <= rounding }.reduce(0) { $0 + abs($1) }
    }
  }
}

/// One side of a Fréchet distance: statistics with the decomposition of their covariance, for use in several distances.
package struct FrechetSide: Sendable {
  package let statistics: FeatureStatistics
  /// How warnings and errors call it.
  package let name: String
  fileprivate let root: FrechetDistance.Root

  /// - Throws: `EvaluationError` when the covariance has negative eigenvalues.
  package init(_ statistics: FeatureStatistics, name: String) throws(EvaluationError) {
    self.statistics = statistics
    self.name = name
    root = try FrechetDistance.Root(statistics.covariance, statistics.precision, name: name)
  }
}
