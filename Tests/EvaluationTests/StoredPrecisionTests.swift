import Evaluation
import Formats
import Tensors
import TestSupport
import Testing

/// Statistics of other programs in F32 and F16. Distances are those of scipy's matrix square root in Double, as pytorch-fid
/// computes them. Eigenvalues that are rounding and nothing else, of either sign up to 1.3e-6 of the largest in the one-pass
/// covariance, move a distance by about the root of that: the two ways of treating them agree to 1e-5 of the distance.
@Suite struct StoredPrecisionTests {
  private func statistics(_ name: String) throws -> FeatureStatistics {
    let path = Fixtures.path("statistics/\(name).npz")
    return try FeatureStatistics(archive: NPZ.read(path), file: name)
  }

  @Test(
    "what rounding leaves of a covariance is read",
    arguments: [
      ("f32_asym", "b64", 1.075640902192248, 1e-6), ("f32_rank_onepass", "b64", 64.76638052420267, 1e-3),
      ("f16", "reference", 2.2211925454485026e-07, 1e-9), ("plain", "reference", 0.751723772059627, 1e-9),
    ])
  func distances(name: String, other: String, expected: Double, tolerance: Double) throws {
    let found = try FrechetDistance.compute(statistics(name), statistics(other), names: (name, other))
    #expect(abs(found.distance - expected) <= tolerance, "\(found.distance)")
    let said = found.warnings.contains { $0.contains("are stored as F") }
    #expect(said == (name != "plain"))
  }

  @Test func doublesAreHeldToTheirOwnPrecision() throws {
    let stored = try NPZ.read(Fixtures.path("statistics/f32_asym.npz"))
    let doubles = TensorArchive(tensors: stored.tensors.mapValues { StoredTensor(dims: $0.dims, $0.doubles()) })
    let error = thrownError { _ = try FeatureStatistics(archive: doubles, file: "a") } as? EvaluationError
    #expect(error?.id == "E-STATS-ASYMMETRIC")
  }

  /// Finite statistics whose squares are not.
  @Test func distancesBeyondDoubleAreRefused() throws {
    let covariance = DoubleMatrix(rows: 1, columns: 1, [1])
    let far = FeatureStatistics(count: 2, mean: [1e300], covariance: covariance, extractor: nil)
    let near = FeatureStatistics(count: 2, mean: [0], covariance: covariance, extractor: nil)
    #expect(throws: EvaluationError.notRepresentable("far", "near")) {
      try FrechetDistance.compute(far, near, names: ("far", "near"))
    }
    let wide = FeatureStatistics(
      count: 2, mean: [0, 0], covariance: DoubleMatrix(rows: 2, columns: 2, [1e308, 0, 0, 1e308]), extractor: nil)
    #expect(thrownError { _ = try FrechetDistance.compute(wide, wide) } is EvaluationError)
  }
}
