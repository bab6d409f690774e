import Evaluation
import Tensors

/// What `score` computes.
package enum ScoreMetric: String, Sendable, CaseIterable {
  case frechet
  /// On spatial features.
  case spatialFrechet = "sfid"
  case frechetInfinity = "frechet-infinity"
  case kernelDistance = "kid"
  case precisionRecall = "precision-recall"
  case densityCoverage = "density-coverage"
  case classifierScore = "classifier-score"

  /// Without `--metrics`: everything that is quick on both sets.
  package static let standard: [ScoreMetric] = [.frechet, .kernelDistance, .precisionRecall, .densityCoverage]

  /// Whether it looks at single images of the first set, and of the second.
  var needsFeatures: (first: Bool, second: Bool) {
    switch self {
    case .frechet, .spatialFrechet: (false, false)
    case .frechetInfinity, .classifierScore: (true, false)
    case .kernelDistance, .precisionRecall, .densityCoverage: (true, true)
    }
  }
}

/// Metrics as `--metrics` writes them: `frechet,kid`.
package struct MetricList: Sendable, Equatable {
  package let metrics: [ScoreMetric]

  package init?(_ text: String) {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { ScoreMetric(rawValue: String($0)) }
    guard !parts.isEmpty, parts.allSatisfy({ $0 != nil }) else { return nil }
    // Each once, in the order of the report.
    metrics = ScoreMetric.allCases.filter { parts.contains($0) }
  }
}

/// A score that cannot be computed from what was given.
package enum ScoreError: HalftoneError, Equatable {
  /// A statistics file where a metric looks at single images.
  case needsImages(path: String, metrics: [String])
  /// An array `features` that is no set of features.
  case notFeatures(path: String, name: String?, dims: [Int], type: ElementType)
  /// sFID where there are no spatial features.
  case noSpatial(path: String)
  /// A set without a covariance.
  case oneImage(path: String)
  /// `--spatial` with a layout that has no place for it.
  case spatialFormat(StatisticsFormat)
  /// A classifier's score of features that no known classifier made.
  case noClassifier(path: String)

  package var id: String {
    switch self {
    case .needsImages: "E-SCORE-IMAGES"
    case .notFeatures: "E-SCORE-FEATURES"
    case .noSpatial: "E-SCORE-SPATIAL"
    case .oneImage: "E-SCORE-COUNT"
    case .spatialFormat: "E-SCORE-SPATIAL"
    case .noClassifier: "E-SCORE-CLASSIFIER"
    }
  }

  package var exit: ExitStatus {
    switch self {
    case .needsImages, .noSpatial, .spatialFormat, .noClassifier: .usage
    case .notFeatures, .oneImage: .refusedInput
    }
  }

  package var message: String {
    switch self {
    case .needsImages(let path, let metrics):
      "\(printable(path)): \(metrics.joined(separator: ", ")) cannot be computed from a mean and a covariance"
    case .notFeatures(let path, let name, let dims, let type):
      "\(printable(path)): \(name.map { "array \"\($0)\"" } ?? "the array") is \(type.rawValue) \(dims), expected features, F16 to F64 "
        + "[images, dimension]"
    case .noSpatial(let path): "\(printable(path)): no spatial features, which sfid is defined on"
    case .oneImage(let path): "\(printable(path)): one image; a covariance needs at least 2"
    case .spatialFormat(let format): "the layout \(format.rawValue) has no place for spatial features"
    case .noClassifier(let path):
      "\(printable(path)): features of an unknown extractor; no classifier is known for them"
    }
  }

  package var hint: String? {
    switch self {
    case .needsImages: "give the images, or --metrics frechet"
    case .notFeatures, .oneImage: nil
    case .spatialFormat: "give --format adm"
    case .noSpatial: "give images and --features inception, or statistics with mu_s and sigma_s"
    case .noClassifier: "give the images"
    }
  }
}
