import Evaluation
import Formats
import Tensors

/// One side of a score: the statistics of a set and, where there are single images, their features.
package struct ScoredSet: Sendable {
  package let path: String
  package let statistics: FeatureStatistics
  /// nil for a statistics file, and where nothing needs them.
  package let features: FeatureSet?
  /// Whether the features are the extractor's own, made here.
  package let isExtracted: Bool
}

extension FeatureScoring {
  /// Reads a statistics file as it is, an archive with an array `features` (N x d) as features of an unknown extractor, and
  /// anything else through the extractor, in one pass.
  /// - Parameter keepsFeatures: whether single images' features are wanted: 4 N d bytes.
  package func scored(_ path: String, keepsFeatures: Bool, session: Session) throws -> ScoredSet {
    if let archive = try StatisticsFiles.archive(path) {
      let statistics = try FeatureStatistics(archive: archive, file: path)
      return ScoredSet(path: path, statistics: statistics, features: nil, isExtracted: false)
    }
    if let features = try StatisticsFiles.features(path) {
      let identity = FeatureExtractorIdentity(name: "unknown", mode: "unknown", digest: "unknown")
      var accumulator = FeatureAccumulator(extractor: identity, dimension: features.dims[1])
      try accumulator.add(features, images: 0..<features.dims[0])
      let exact = try accumulator.statistics()
      return ScoredSet(
        path: path,
        statistics: FeatureStatistics(
          count: exact.count, mean: exact.mean, covariance: exact.covariance, extractor: nil),
        features: try FeatureSet(features, extractor: nil), isExtracted: false)
    }
    var accumulator = FeatureAccumulator(extractor: extractor.identity, dimension: extractor.dimension)
    var set = FeatureSet(extractor: extractor.identity, dimension: extractor.dimension)
    try forEachBatch(of: ImageSelection(ImageSources.open(path)), session: session) { features, indices in
      try accumulator.add(features, images: indices)
      if keepsFeatures { try set.add(features) }
    }
    return ScoredSet(
      path: path, statistics: try accumulator.statistics(), features: keepsFeatures ? set : nil, isExtracted: true)
  }
}
