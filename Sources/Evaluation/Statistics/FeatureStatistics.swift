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

  /// Of features that another program made without saying how.
  package static let unknown = FeatureExtractorIdentity(name: "unknown", mode: "unknown", digest: "unknown")

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

  /// More features than any extractor has, and as many as the decomposition of a covariance can take.
  package static let largestDimension = StatisticsReader.largestDimension

  /// FID's authors advise 10000 images or more for its 2048 features; as many for each feature of other extractors.
  private var fewImages: Int { (10_000 * dimension + 2047) / 2048 }

  /// What a reader of scores should know about these statistics. - Parameter name: how messages call them.
  package func warnings(name: String) -> [String] {
    var out: [String] = []
    if let count, count < dimension + 1 {
      out.append(
        "\(name): \(count) images for \(dimension) features; below \(dimension + 1) the covariance has no full rank, "
          + "and the distance is biased upwards; score --metrics kid is not")
    } else if let count, count < fewImages {
      out.append(
        "\(name): \(count) images for \(dimension) features; below \(fewImages) the distance is "
          + "noticeably biased upwards, so compare it only with distances of as many images; score --metrics "
          + "kid,frechet-infinity is not")
    }
    if dimension > 0 && (0..<dimension).allSatisfy({ covariance[$0, $0] == 0 }) {
      out.append("\(name): all images have the same features")
    }
    if count == nil { out.append("\(name): the number of images is unknown") }
    if extractor == nil { out.append("\(name): the feature extractor is unknown") }
    return out
  }
}
