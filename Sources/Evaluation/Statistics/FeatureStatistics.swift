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

/// The element type of a stored mean or covariance, and with it how far rounding may have moved a covariance from what no
/// covariance leaves: symmetric, no correlation above 1, no negative eigenvalue. Tolerances of F32 leave room for sums that
/// were accumulated in Float, too.
package enum MomentPrecision: String, Sendable, CaseIterable {
  case double = "F64", single = "F32", half = "F16"

  /// How far two entries that should be equal may differ, relative to the largest entry.
  var symmetry: Double {
    switch self {
    case .double: 1e-8
    case .single: 1e-5
    case .half: 1e-2
    }
  }

  /// By how much |s_ij| may exceed sqrt(s_ii s_jj), relative to it.
  var correlation: Double {
    switch self {
    case .double: 1e-6
    case .single: 1e-4
    case .half: 1e-2
    }
  }

  /// How far below zero an eigenvalue may lie, relative to the largest: it is read as zero.
  var eigenvalue: Double {
    switch self {
    case .double: 1e-6
    case .single: 1e-4
    case .half: 5e-2
    }
  }
}

/// Mean and covariance of features over images: what a Fréchet distance compares.
package struct FeatureStatistics: Sendable {
  /// Number of images; nil in files that do not say (pytorch-fid's).
  package let count: Int?
  /// Mean feature vector, d.
  package let mean: [Double]
  /// Covariance with divisor n - 1, d x d, symmetric.
  package let covariance: DoubleMatrix
  /// How exactly a file stores mean and covariance.
  package let precision: MomentPrecision
  /// nil in files that do not say.
  package let extractor: FeatureExtractorIdentity?
  /// The integer sums behind `mean` and `covariance`, for merging; nil in files of other programs.
  package let exact: FeatureAccumulator?

  /// - Precondition: `covariance` is d x d for d = `mean.count`.
  package init(
    count: Int?, mean: [Double], covariance: DoubleMatrix, precision: MomentPrecision = .double,
    extractor: FeatureExtractorIdentity?, exact: FeatureAccumulator? = nil
  ) {
    precondition(covariance.rows == mean.count && covariance.isSquare)
    self.count = count
    self.mean = mean
    self.covariance = covariance
    self.precision = precision
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
    if precision != .double {
      out.append(
        "\(name): mean or covariance are stored as \(precision.rawValue), whose rounding the distance contains")
    }
    if count == nil { out.append("\(name): the number of images is unknown") }
    if extractor == nil { out.append("\(name): the feature extractor is unknown") }
    return out
  }
}
