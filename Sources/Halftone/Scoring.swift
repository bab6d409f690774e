internal import Evaluation
internal import Formats
internal import Tensors
internal import Workbench

/// Images that are scored.
public enum ImageSet: Sendable {
  /// A folder or archive of PNG and JPEG files, an array of samples, an IDX file, or a file of feature statistics.
  case path(String)
  /// Images of one shape.
  case images([Image])
}

/// The Fréchet distance between two sets of images on an extractor's features (Heusel et al. 2017, equation 6). It is FID on
/// the published Inception features alone, so the name says the extractor.
public struct FrechetScore: Sendable, Equatable {
  public let distance: Double
  /// `Fréchet distance on NAME features`.
  public let name: String
  /// Name, preparation of pixels and digest of the extractor; nil where a statistics file does not say it.
  public let extractor: String?
  /// Images on either side; nil where a statistics file does not say it.
  public let firstCount: Int?
  public let secondCount: Int?
  /// What the distance should be read with: few images, mixed sizes, statistics of unknown origin.
  public let warnings: [String]
}

extension Runtime {
  /// The distance between two sets of images, or a set and a file of statistics.
  /// - Parameters:
  ///   - first: a set of images, or statistics.
  ///   - second: another.
  ///   - extractor: `NAME`, or `NAME=WEIGHTS` with a file of weights; nil for the small classifier that comes with the assets.
  ///   - mode: how pixels are prepared for Inception; nil for its first.
  ///   - progress: is told how many images are done.
  /// - Throws: `PipelineError` for sets with fewer than two images, images of different shapes, extractors that differ, and
  ///   files that cannot be read; `CancellationError`.
  public func frechetDistance(
    between first: ImageSet, and second: ImageSet, extractor: String? = nil, mode: String? = nil,
    progress: @escaping ProgressHandler = { _ in }
  ) async throws -> FrechetScore {
    try await BlockingWork.run { flag in
      let session = self.session(flag, progress: progress)
      try OpenBLAS.requireMemory(threads: threads)
      let scoring = try FeatureScoring(
        ScoringOptions(features: extractor, mode: mode), session: session, compute: compute)
      let sets = try [first, second].enumerated().map { position, set in
        switch set {
        case .path(let path): try scoring.scored(path, session: session)
        case .images(let images):
          try scoring.scored(
            ImagesInMemory(images.map(\.pixels), name: position == 0 ? "the first set" : "the second set"),
            session: session)
        }
      }
      let result = try FrechetDistance.compute(
        sets[0].statistics, sets[1].statistics, names: (sets[0].path, sets[1].path), pool: compute.pool)
      let identity = sets[0].statistics.extractor ?? sets[1].statistics.extractor
      return FrechetScore(
        distance: result.distance, name: result.title, extractor: identity.map { "\($0)" },
        firstCount: sets[0].statistics.count, secondCount: sets[1].statistics.count,
        warnings: distinct(sets[0].warnings + sets[1].warnings + result.warnings))
    }
  }
}
