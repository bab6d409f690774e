import Evaluation
import Formats
import Graphs
import Tensors

/// A feature extractor at work on sets of images: what `stats`, `fid`, `score` and `demo` share.
package struct FeatureScoring {
  package let extractor: any FeatureExtractor
  let definition: ExtractorDefinition
  private let options: ScoringOptions
  let kept: KeptFeatures?
  private let batch: Int
  let pool: WorkerPool

  package init(_ options: ScoringOptions, session: Session, compute: Compute) throws {
    let request = try ExtractorRequest(
      options.features, mode: options.mode, assets: session.assets, environment: session.environment)
    definition = request.definition
    extractor = try definition.extractor(request.source(session: session, compute: compute))
    self.options = options
    kept =
      options.keptFeatures.map { KeptFeatures(folder: $0, isTemporary: false) }
      ?? options.temporaryFeatures.map { KeptFeatures(folder: $0, isTemporary: true) }
    batch = compute.batch
    pool = compute.pool
  }

  /// The images at `path`; of different sizes where the extractor resizes them.
  func images(_ path: String) throws -> any ImageSource {
    try ImageSources.open(
      path,
      options: ImageSourceOptions(recursive: options.recursive, mixedSizes: !definition.modes.isEmpty, depth: depth))
  }

  /// Every mode is named after a program that opens files with Pillow.
  private var depth: PNG.DepthRule { definition.modes.isEmpty ? .nearest : .pillow }

  /// Exact sums of the selected images' features, a leaf in memory at a time.
  /// - Parameter spatial: whether those of the extractor's spatial features are wanted too.
  func accumulate(_ selection: ImageSelection, spatial: Bool = false, session: Session) throws -> AccumulatedFeatures {
    if spatial && extractor.spatial == nil { throw ScoreError.noSpatial(path: definition.name) }
    var main = FeatureAccumulator(extractor: extractor.identity, dimension: extractor.dimension)
    var other = extractor.spatial.map { FeatureAccumulator(extractor: $0.identity, dimension: $0.dimension) }
    let warnings = try forEachLeaf(of: selection, spatial: spatial, session: session) { features, more, indices in
      try main.add(features, images: indices, pool: pool)
      if let more { try other?.add(more, images: indices, pool: pool) }
    }
    return AccumulatedFeatures(main: main, spatial: spatial ? other : nil, warnings: warnings)
  }

  /// Hands over the features of the selected images, leaf by leaf, with the images' indices.
  /// - Parameter spatial: whether the extractor's spatial features are wanted too.
  /// - Returns: what scores of these images should be read with.
  func forEachLeaf(
    of selection: ImageSelection, spatial: Bool, session: Session,
    _ body: (_ features: Tensor, _ spatial: Tensor?, _ indices: [Int]) throws -> Void
  ) throws -> [String] {
    let source = selection.source
    let leaf = KeptFeatures.leafSize(source.shape)
    let kept = self.kept.flatMap { selection.count > leaf || !$0.isTemporary || $0.exists ? $0 : nil }
    let progress = Progress("extracting features", unit: "images", total: selection.count, console: session.console)
    var (done, survey) = (0, ImageSurvey(source, depth: depth))
    try selection.forEachBatch(of: leaf) { images in
      survey.add(images)
      let key = kept.map { _ in KeptFeatures.key(images, extractor.identity) }
      let indices = (images.start..<(images.start + images.count)).map(selection.index)
      if let key, let found = kept?.read(key, count: images.count, extractor, spatial: spatial) {
        progress.inherit(images.count)
        try body(found.0, found.1, indices)
      } else {
        let (features, spatialFeatures) = try compute(images, spatial: spatial, done, progress, session)
        if let key { try kept?.write(key, features, spatialFeatures) }
        try body(features, spatialFeatures, indices)
      }
      done += images.count
    }
    progress.finish(Double(selection.count))
    return survey.warnings
  }

  /// Computes the features of a shard's images and keeps them, in the leaves in which a pass over all images looks for them.
  /// - Parameters: indices: of the whole set, where they were asked for; name: what the result calls the set.
  /// - Returns: a line about it.
  func keep(
    _ shard: Shard, of selection: ImageSelection, indices: ClosedRange<Int>?, spatial: Bool, name: String,
    session: Session
  ) throws -> String {
    let part = selection.part(shard, of: indices)
    let warnings = try forEachLeaf(of: part, spatial: spatial, session: session) { _, _, _ in }
    for warning in warnings { session.console.warn("\(warning)") }
    return "shard \(shard): features of \(part.count) images of \(name) in \(kept?.folder ?? "")"
  }

  /// A leaf's features, a network call at a time. - Throws: `Stopped` after a stop signal.
  private func compute(
    _ images: ImageBatch, spatial: Bool, _ done: Int, _ progress: Progress, _ session: Session
  ) throws -> (Tensor, Tensor?) {
    var parts: [(main: Tensor, spatial: Tensor?)] = []
    for start in stride(from: 0, to: images.count, by: batch) {
      if let signal = try session.stopSignal() {
        progress.finish(Double(done))
        throw Stopped(signal: signal, progress: kept == nil ? "no images" : "\(done) images", command: session.command)
      }
      let end = min(start + batch, images.count)
      let pixels = Array(images.pixels[(start * images.shape.count)..<(end * images.shape.count)])
      parts.append(
        spatial
          ? try extractor.allFeatures(of: pixels, shape: images.shape)
          : (try extractor.features(of: pixels, shape: images.shape), nil))
      progress.update(Double(done + end))
    }
    let spatialParts = parts.compactMap(\.spatial)
    return (Tensor.stacked(parts.map(\.main)), spatialParts.isEmpty ? nil : Tensor.stacked(spatialParts))
  }

  /// Statistics of `path`: see `scored`.
  package func statistics(of path: String, session: Session) throws -> FeatureStatistics {
    try scored(path, session: session).statistics
  }
}

/// What a pass over images gives.
struct AccumulatedFeatures {
  let main: FeatureAccumulator
  /// nil where it was not wanted.
  let spatial: FeatureAccumulator?
  let warnings: [String]
}
