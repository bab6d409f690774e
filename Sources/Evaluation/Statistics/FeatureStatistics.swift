import Tensors

/// What made features comparable: the extractor's name, how it prepares pixels, and its weights.
package struct FeatureExtractorIdentity: Sendable, Hashable, CustomStringConvertible {
  package let name: String
  /// Preparation of pixels in words: range, resize, colour.
  package let mode: String
  /// SHA-256 of the weights file, 64 lower-case hexadecimal digits.
  package let digest: String

  package init(name: String, mode: String, digest: String) {
    self.name = name
    self.mode = mode
    self.digest = digest
  }

  package var description: String { "\(printable(name)) (\(printable(mode)); weights \(printable(digest)))" }
}

/// Mean and covariance of features over images: what a Fréchet distance compares.
package struct FeatureStatistics: Sendable {
  /// Number of images; nil in files that do not say (pytorch-fid's).
  package let count: Int?
  /// Mean feature vector, d.
  package let mean: [Double]
  /// Covariance with divisor n - 1, d x d, symmetric.
  package let covariance: DoubleMatrix
  /// nil in files that do not say.
  package let extractor: FeatureExtractorIdentity?
  /// The integer sums behind `mean` and `covariance`, for merging; nil in files of other programs.
  package let exact: FeatureAccumulator?

  /// - Precondition: `covariance` is d x d for d = `mean.count`.
  package init(
    count: Int?, mean: [Double], covariance: DoubleMatrix, extractor: FeatureExtractorIdentity?,
    exact: FeatureAccumulator? = nil
  ) {
    precondition(covariance.rows == mean.count && covariance.isSquare)
    self.count = count
    self.mean = mean
    self.covariance = covariance
    self.extractor = extractor
    self.exact = exact
  }

  package var dimension: Int { mean.count }

  /// What a reader of scores should know about these statistics. - Parameter name: how messages call them.
  package func warnings(name: String) -> [String] {
    var out: [String] = []
    if let count, count < dimension + 1 {
      out.append(
        "\(name): \(count) images for \(dimension) features; below \(dimension + 1) the covariance has no full rank, "
          + "and the distance is biased upwards")
    }
    if count == nil { out.append("\(name): the number of images is unknown") }
    if extractor == nil { out.append("\(name): the feature extractor is unknown") }
    return out
  }
}
