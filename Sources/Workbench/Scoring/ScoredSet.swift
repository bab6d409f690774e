import Evaluation
import Formats
import Tensors

/// One side of a score: the statistics of a set and, where there are single images, their features.
package struct ScoredSet: Sendable {
  package let path: String
  package let statistics: FeatureStatistics
  /// Of the spatial features; nil where there are none, and where nothing needs them.
  package var spatial: FeatureStatistics?
  /// nil for a statistics file, and where nothing needs them.
  package var features: FeatureSet?
  /// Whether the features are the extractor's own, made here.
  package let isExtracted: Bool
}

extension FeatureScoring {
  /// Reads a statistics file as it is, an archive with an array `features` (N x d) as features of an unknown extractor, and
  /// anything else through the extractor, in one pass.
  /// - Parameters:
  ///   - keepsFeatures: whether single images' features are wanted: 4 N d bytes.
  ///   - spatial: whether statistics of the spatial features are wanted.
  package func scored(
    _ path: String, keepsFeatures: Bool = false, spatial: Bool = false, session: Session
  ) throws -> ScoredSet {
    if let archive = try StatisticsFiles.archive(path) { return try scored(path, archive) }
    if let features = try StatisticsFiles.features(path) { return try scored(path, features) }
    var accumulator = FeatureAccumulator(extractor: extractor.identity, dimension: extractor.dimension)
    var set = FeatureSet(extractor: extractor.identity, dimension: extractor.dimension)
    var spatialSums = extractor.spatial.map { FeatureAccumulator(extractor: $0.identity, dimension: $0.dimension) }
    try forEachLeaf(of: ImageSelection(images(path)), spatial: spatial, session: session) { features, other, indices in
      try accumulator.add(features, images: indices, pool: pool)
      if let other { try spatialSums?.add(other, images: indices, pool: pool) }
      if keepsFeatures { try set.add(features) }
    }
    return ScoredSet(
      path: path, statistics: try accumulator.statistics(), spatial: spatial ? try spatialSums?.statistics() : nil,
      features: keepsFeatures ? set : nil, isExtracted: true)
  }

  /// A statistics file. Of files that hold both, the spatial pair is what a spatial extractor means.
  private func scored(_ path: String, _ archive: TensorArchive) throws -> ScoredSet {
    let main = try FeatureStatistics(archive: archive, file: path)
    let spatial = try FeatureStatistics.spatial(archive: archive, file: path)
    let wantsSpatial = definition.name == InceptionTap.spatial.name
    return ScoredSet(
      path: path, statistics: wantsSpatial ? spatial ?? main : main, spatial: spatial, isExtracted: false)
  }

  private func scored(_ path: String, _ features: Tensor) throws -> ScoredSet {
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
}
