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
  package var spatialFeatures: FeatureSet?
  /// Whether the features are the extractor's own, made here.
  package let isExtracted: Bool
  /// About its images; those about its statistics come with each distance.
  package var warnings: [String] = []
}

/// What is wanted of a set beyond its statistics.
package struct ScoringNeeds: Sendable {
  /// Single images' features: 4 N d bytes.
  package var features = false
  /// Statistics of the spatial features.
  package var spatial = false
  /// Single images' spatial features.
  package var spatialFeatures = false
}

extension FeatureScoring {
  /// Reads a statistics file as it is, an array of two axes, or one called `features` in an archive (N x d), as features of an unknown extractor, and
  /// anything else through the extractor, in one pass. A statistics file may hold images beside (guided-diffusion's
  /// references do): they are read where single images' features are wanted.
  package func scored(_ path: String, _ needs: ScoringNeeds = .init(), session: Session) throws -> ScoredSet {
    switch try StatisticsFiles.content(path) {
    case .statistics(let archive, let notes)?: return try scored(path, archive, notes, needs, session)
    case .features(let features, let notes)?: return try scored(path, features, notes)
    case nil: return try extracted(path, needs, session)
    }
  }

  private func extracted(_ path: String, _ needs: ScoringNeeds, _ session: Session) throws -> ScoredSet {
    try scored(images(path), needs, session: session)
  }

  /// Images, through the extractor.
  package func scored(
    _ source: any ImageSource, _ needs: ScoringNeeds = .init(), session: Session
  ) throws -> ScoredSet {
    let (path, selection) = try (source.path, ImageSelection(source))
    if selection.count < 2 { throw ScoreError.oneImage(path: path) }
    let kept =
      (needs.features ? extractor.dimension : 0) + (needs.spatialFeatures ? extractor.spatial?.dimension ?? 0 : 0)
    try MemoryBudget.require(
      MemoryBudget.product(4, selection.count, kept), for: "the features of \(selection.count) images")
    var sums = FeatureAccumulator(extractor: extractor.identity, dimension: extractor.dimension)
    var set = FeatureSet(extractor: extractor.identity, dimension: extractor.dimension)
    var spatialSums = extractor.spatial.map { FeatureAccumulator(extractor: $0.identity, dimension: $0.dimension) }
    var spatialSet = extractor.spatial.map { FeatureSet(extractor: $0.identity, dimension: $0.dimension) }
    let warnings = try forEachLeaf(of: selection, spatial: needs.spatial, session: session) {
      features, spatialFeatures, indices in
      try sums.add(features, images: indices, pool: pool)
      if needs.features { try set.add(features) }
      guard let spatialFeatures else { return }
      try spatialSums?.add(spatialFeatures, images: indices, pool: pool)
      if needs.spatialFeatures { try spatialSet?.add(spatialFeatures) }
    }
    return ScoredSet(
      path: path, statistics: try sums.statistics(), spatial: needs.spatial ? try spatialSums?.statistics() : nil,
      features: needs.features ? set : nil, spatialFeatures: needs.spatialFeatures ? spatialSet : nil,
      isExtracted: true, warnings: warnings)
  }

  /// A statistics file. Of files that hold both, the spatial pair is what a spatial extractor means.
  private func scored(
    _ path: String, _ archive: TensorArchive, _ notes: [String], _ needs: ScoringNeeds, _ session: Session
  ) throws -> ScoredSet {
    let main = try FeatureStatistics(archive: archive, file: path)
    let spatial = try FeatureStatistics.spatial(archive: archive, file: path)
    let wantsSpatial = definition.name == InceptionTap.spatial.name
    let images =
      try needs.features && StatisticsFiles.holdsImages(path)
      ? extracted(path, ScoringNeeds(features: true), session) : nil
    return ScoredSet(
      path: path, statistics: wantsSpatial ? spatial ?? main : main, spatial: spatial, features: images?.features,
      isExtracted: images != nil, warnings: notes + (images?.warnings ?? []))
  }

  private func scored(_ path: String, _ features: Tensor, _ notes: [String]) throws -> ScoredSet {
    let statistics = try StatisticsFiles.following(from: features, of: path) { sums throws(EvaluationError) in
      try sums.statistics()
    }
    return ScoredSet(
      path: path, statistics: statistics,
      features: try FeatureSet(features, extractor: nil), isExtracted: false, warnings: notes)
  }
}
