import Evaluation
import Formats
import Tensors

/// `stats`: feature statistics of a set of images, or of a part of it.
package struct StatsCommand: Sendable {
  package var images: String
  package var options: ScoringOptions
  /// Only images with these indices; nil: all.
  package var indices: ClosedRange<Int>?
  /// The first image's index, where the names do not say it.
  package var firstIndex: Int?
  package var out: String
  /// Where statistics of the spatial features go; nil: nowhere.
  package var spatialOut: String?
  /// The part of the images whose features this process computes; nil: all, and their statistics.
  package var shard: Shard?
  package var threads: Int
  package var batch: Int

  package init(
    images: String, options: ScoringOptions, indices: ClosedRange<Int>?, firstIndex: Int?, out: String,
    spatialOut: String? = nil, shard: Shard? = nil, threads: Int, batch: Int
  ) {
    self.images = images
    self.options = options
    self.indices = indices
    self.firstIndex = firstIndex
    self.out = out
    self.spatialOut = spatialOut
    self.shard = shard
    self.threads = threads
    self.batch = batch
  }

  package func run(_ session: Session) throws {
    let lines = try shard.map { [try keep(features: $0, session)] } ?? write(session)
    try session.console.result(lines.joined(separator: "\n"))
  }

  /// Computes and writes the statistics. - Returns: a line about each file.
  func write(_ session: Session) throws -> [String] {
    let (scoring, selection) = try prepare(options, session)
    let found = try scoring.accumulate(selection, spatial: spatialOut != nil, session: session)
    let written =
      [(out, found.main)]
      + [(spatialOut, found.spatial)].compactMap { out, sums in
        if let out, let sums { (out, sums) } else { nil }
      }
    for (out, sums) in written { try NPZ.write(sums.archive(), to: out) }
    if let kept = scoring.kept, kept.isTemporary { kept.discard() }
    for warning in try found.warnings + found.main.statistics().warnings(name: images) {
      session.console.warn("\(warning)")
    }
    return written.map { "\($0.0): \($0.1.images.count) images, \($0.1.extractor.name) features" }
  }

  /// Computes the features of a shard's images and keeps them for whoever writes the statistics.
  private func keep(features shard: Shard, _ session: Session) throws -> String {
    var options = options
    options.keptFeatures = options.keptFeatures ?? temporaryFeatures
    let (scoring, selection) = try prepare(options, session)
    return try scoring.keep(
      shard, of: selection, indices: indices, spatial: spatialOut != nil, name: images, session: session)
  }

  /// Unless features are to be kept for longer, they stand beside the result until it is there.
  private var temporaryFeatures: String { out + ".features" }

  private func prepare(_ options: ScoringOptions, _ session: Session) throws -> (FeatureScoring, ImageSelection) {
    try OutputPlace.check([out, spatialOut].compactMap(\.self), inputs: [images, options.weights].compactMap(\.self))
    var options = options
    options.temporaryFeatures = temporaryFeatures
    let scoring = try FeatureScoring(
      options, session: session, compute: Compute(threads: threads, batch: batch))
    let selection = try ImageSelection(scoring.images(images), indices: indices, firstIndex: firstIndex)
    if let indices, selection.count < indices.count {
      session.console.warn(
        "\(images): \(indices.count - selection.count) of the \(indices.count) images that --indices names are not there"
      )
    }
    return (scoring, selection)
  }
}
