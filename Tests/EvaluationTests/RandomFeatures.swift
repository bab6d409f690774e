import Evaluation
import Tensors
import TestSupport

/// N x d values with mean 0 and variance 1 (sum of twelve uniforms, Irwin-Hall), scaled.
func randomFeatures(_ count: Int, _ dimension: Int, seed: UInt64, scale: Float = 1) -> Tensor {
  var random = SplitMix64(seed)
  let values = (0..<count * dimension).map { _ in
    scale * ((0..<12).reduce(Float(0)) { sum, _ in sum + Float.random(in: 0..<1, using: &random) } - 6)
  }
  return Tensor([count, dimension], values)
}

let testExtractor = FeatureExtractorIdentity(name: "test-features", mode: "none", digest: "00")

func accumulated(_ features: Tensor, from first: Int = 0) throws -> FeatureAccumulator {
  var accumulator = FeatureAccumulator(extractor: testExtractor, dimension: features.dims[1])
  try accumulator.add(features, images: first..<first + features.dims[0])
  return accumulator
}

/// Statistics of a Gaussian given directly, n large.
func gaussian(_ mean: [Double], _ covariance: DoubleMatrix, count: Int? = 10_000) -> FeatureStatistics {
  FeatureStatistics(count: count, mean: mean, covariance: covariance, extractor: testExtractor)
}
