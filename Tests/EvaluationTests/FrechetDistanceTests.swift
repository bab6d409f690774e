import Evaluation
import Tensors
import Testing

@Suite struct FrechetDistanceTests {
  /// A covariance without structure: sample covariance of random features.
  private func covariance(_ dimension: Int, count: Int, seed: UInt64) throws -> DoubleMatrix {
    try accumulated(randomFeatures(count, dimension, seed: seed)).statistics().covariance
  }

  /// Equal covariances: the squared distance of the means is all that is left.
  @Test func equalCovariancesLeaveTheMeans() throws {
    let s = try covariance(20, count: 100, seed: 1)
    let (zero, shifted) = ([Double](repeating: 0, count: 20), (0..<20).map { Double($0) / 10 })
    let result = try FrechetDistance.compute(gaussian(zero, s), gaussian(shifted, s))
    let expected = shifted.reduce(0) { $0 + $1 * $1 }
    #expect(result.meanTerm == expected)
    #expect(abs(result.distance - expected) <= 1e-12 * s.trace)
    #expect(result.title == "Fréchet distance on test-features features")
    #expect(result.warnings == [])
  }

  /// Diagonal covariances commute: the trace term is the sum of (sqrt a - sqrt b)^2, whatever their order.
  @Test func diagonalCovariancesHaveAClosedForm() throws {
    let (a, b): ([Double], [Double]) = ([4, 1, 0, 9, 1e-6], [1, 16, 4, 9, 1e-2])
    let mean = [Double](repeating: 0, count: 5)
    let result = try FrechetDistance.compute(
      gaussian(mean, DoubleMatrix(diagonal: a)), gaussian(mean, DoubleMatrix(diagonal: b)))
    let expected = zip(a, b).reduce(0) {
      $0 + ($1.0.squareRoot() - $1.1.squareRoot()) * ($1.0.squareRoot() - $1.1.squareRoot())
    }
    #expect(abs(result.distance - expected) <= 1e-13 * 44)
  }

  /// Covariances that do not commute, 2 x 2: tr((A B)^(1/2)) = sqrt(tr(A B) + 2 sqrt(det A det B)).
  @Test func twoByTwoCovariancesHaveAClosedForm() throws {
    let (a, b) = (
      DoubleMatrix(rows: 2, columns: 2, [2, 0.7, 0.7, 1]), DoubleMatrix(rows: 2, columns: 2, [1, -0.9, -0.9, 3])
    )
    let root = (try a.multiplied(by: b).trace + 2 * (1.51 * 2.19).squareRoot()).squareRoot()
    let result = try FrechetDistance.compute(gaussian([0, 1], a), gaussian([2, 0], b))
    #expect(abs(result.distance - (5 + 3 + 4 - 2 * root)) < 1e-13)
    #expect(result.meanTerm == 5)
  }

  /// |m1 - m2|^2 + (s1 - s2)^2 for one feature.
  @Test func oneFeature() throws {
    let one = { (v: Double) in DoubleMatrix(diagonal: [v]) }
    let result = try FrechetDistance.compute(gaussian([1], one(4)), gaussian([3], one(25)))
    #expect(result.distance == 4 + 9)
  }

  /// Full rank, fewer images than features, constant features, one feature.
  @Test(arguments: [(30, 200), (30, 12), (60, 3), (128, 129), (1, 10)])
  func aSetIsAtDistanceZeroFromItself(dimension: Int, count: Int) throws {
    let statistics = try accumulated(randomFeatures(count, dimension, seed: 9, scale: 3)).statistics()
    let result = try FrechetDistance.compute(statistics, statistics)
    #expect(result.distance >= 0 && result.meanTerm == 0)
    #expect(abs(result.traceTerm) <= 1e-6 * 2 * statistics.covariance.trace)
    #expect(result.residual <= 1e-12 * statistics.covariance.trace)
  }

  @Test func swappedArgumentsGiveTheSameBits() throws {
    let a = try accumulated(randomFeatures(300, 24, seed: 1)).statistics()
    let b = try accumulated(randomFeatures(10, 24, seed: 2, scale: 2)).statistics()
    let (ab, ba) = (try FrechetDistance.compute(a, b), try FrechetDistance.compute(b, a))
    #expect(try FrechetDistance.compute(a, b, pool: WorkerPool(threads: 2)) == ab)
    #expect(ab.distance == ba.distance && ab.traceTerm == ba.traceTerm && ab.residual == ba.residual)
    // Equal eigenvalues with exchanged eigenvectors.
    let x = gaussian([0, 0], DoubleMatrix(diagonal: [1, 2]))
    let y = gaussian([0, 0], DoubleMatrix(diagonal: [2, 1]))
    #expect(try FrechetDistance.compute(x, y).distance == FrechetDistance.compute(y, x).distance)
  }

  /// Ranks 1 and 1 along orthogonal axes: nothing in common, tr(A) + tr(B).
  @Test func rankDeficientCovariances() throws {
    let a = DoubleMatrix(diagonal: [3, 0, 0])
    let b = DoubleMatrix(diagonal: [0, 5, 0])
    #expect(try FrechetDistance.compute(gaussian([0, 0, 0], a), gaussian([0, 0, 0], b)).distance == 8)
    let zero = DoubleMatrix(rows: 3, columns: 3)
    #expect(try FrechetDistance.compute(gaussian([1, 0, 0], zero), gaussian([0, 0, 0], zero)).distance == 1)
    #expect(try FrechetDistance.compute(gaussian([0, 0, 0], zero), gaussian([0, 0, 0], b)).distance == 5)
  }

  /// From the features themselves, without covariances: with centred feature matrices X and Y, tr((S1 S2)^(1/2)) is the
  /// sum of the singular values of X Y^T / sqrt((n1 - 1) (n2 - 1)). Exact for any rank.
  @Test(arguments: [(20, 25), (20, 200), (150, 200)])
  func agreesWithTheFormInFeatures(first: Int, second: Int) throws {
    let (x, y) = (randomFeatures(first, 48, seed: 1), randomFeatures(second, 48, seed: 2, scale: 1.5))
    let (a, b) = (try accumulated(x).statistics(), try accumulated(y).statistics())
    let centred = { (features: Tensor, mean: [Double]) in
      // Features as the accumulator sees them: on a grid of 2^-24.
      DoubleMatrix(
        rows: features.dims[0], columns: 48,
        features.values.enumerated().map { (Double($1) * 0x1p24).rounded() * 0x1p-24 - mean[$0 % 48] })
    }
    let singular = try centred(x, a.mean).multiplied(by: centred(y, b.mean), transposed: true).singularValues()
    let cross = singular.reduce(0, +) / Double((first - 1) * (second - 1)).squareRoot()
    let result = try FrechetDistance.compute(a, b)
    let traces = a.covariance.trace + b.covariance.trace
    #expect(abs(result.traceTerm - (traces - 2 * cross)) <= 1e-11 * traces)
  }

  /// d^2(c x, c y) = c^2 d^2(x, y), also where squares leave the range of Float.
  @Test(arguments: [1e-20, 1e20])
  func scalesWithTheSquareOfTheFeatures(scale: Double) throws {
    let (s1, s2) = (try covariance(6, count: 50, seed: 1), try covariance(6, count: 50, seed: 2))
    let scaled = { (m: DoubleMatrix) in DoubleMatrix(rows: 6, columns: 6, m.values.map { $0 * scale * scale }) }
    let (zero, one) = ([Double](repeating: 0, count: 6), [Double](repeating: 1, count: 6))
    let unit = try FrechetDistance.compute(gaussian(zero, s1), gaussian(one, s2)).distance
    let result = try FrechetDistance.compute(gaussian(zero, scaled(s1)), gaussian(one.map { $0 * scale }, scaled(s2)))
    #expect(abs(result.distance / (scale * scale) - unit) <= 1e-12 * unit)
  }

  @Test func roundingBelowZeroIsClampedAndReported() throws {
    let s = DoubleMatrix(diagonal: [1, 2, -1e-9])
    let result = try FrechetDistance.compute(
      gaussian([0, 0, 0], s), gaussian([0, 0, 0], DoubleMatrix(diagonal: [1, 2, 0])))
    #expect(abs(result.residual - 1e-9) < 1e-15 && result.distance <= 1e-8)
  }

  @Test func aMatrixThatIsNoCovarianceIsRefused() {
    let bad = gaussian([0, 0], DoubleMatrix(diagonal: [1, -2]))
    let good = gaussian([0, 0], DoubleMatrix(diagonal: [1, 1]))
    let error = #expect(throws: EvaluationError.self) {
      try FrechetDistance.compute(good, bad, names: ("a.npz", "b.npz"))
    }
    #expect(
      error?.description
        == "error[E-STATS-PSD]: the covariance of b.npz is not positive semi-definite: eigenvalues from -2.0 to 1.0")
  }

  @Test func otherFeaturesAreRefusedByName() {
    let s = DoubleMatrix(diagonal: [1])
    let other = FeatureStatistics(
      count: 10, mean: [0], covariance: s,
      extractor: FeatureExtractorIdentity(name: "other", mode: "none", digest: "00"))
    let error = #expect(throws: EvaluationError.self) { try FrechetDistance.compute(gaussian([0], s), other) }
    #expect(
      error?.description == """
        error[E-STATS-EXTRACTOR]: the statistics come from different feature extractors:
          test-features (none; weights 00)
          other (none; weights 00)
        hint: compute both with one extractor: halftone stats PATH --features NAME
        """)
    #expect(throws: EvaluationError.dimensionsDiffer(1, 2)) {
      try FrechetDistance.compute(gaussian([0], s), gaussian([0, 0], DoubleMatrix(diagonal: [1, 1])))
    }
  }

  @Test func whatMakesAScoreWeakIsSaid() throws {
    let s = DoubleMatrix(diagonal: [1, 1])
    let unknown = FeatureStatistics(count: nil, mean: [0, 0], covariance: s, extractor: nil)
    let result = try FrechetDistance.compute(gaussian([0, 0], s, count: 2), unknown, names: ("a.npz", "b.npz"))
    #expect(
      result.warnings == [
        "a.npz: 2 images for 2 features; below 3 the covariance has no full rank, and the distance is biased upwards; score --metrics kid is not",
        "b.npz: the number of images is unknown",
        "b.npz: the feature extractor is unknown",
      ])
    #expect(result.title == "Fréchet distance on test-features features")
    #expect(FrechetDistance.title(nil) == "Fréchet distance on features of an unknown extractor")
  }
}
