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
  package var threads: Int
  package var batch: Int

  package init(
    images: String, options: ScoringOptions, indices: ClosedRange<Int>?, firstIndex: Int?, out: String,
    spatialOut: String? = nil, threads: Int, batch: Int
  ) {
    self.images = images
    self.options = options
    self.indices = indices
    self.firstIndex = firstIndex
    self.out = out
    self.spatialOut = spatialOut
    self.threads = threads
    self.batch = batch
  }

  package func run(_ session: Session) throws {
    for path in [out, spatialOut].compactMap(\.self) { try AtomicFile.checkTarget(path) }
    // Unless features are to be kept for longer, they stand beside the result until it is there.
    var options = options
    options.temporaryFeatures = out + ".features"
    let scoring = try FeatureScoring(
      options, session: session, compute: Compute(threads: threads, batch: batch))
    let selection = try ImageSelection(scoring.images(images), indices: indices, firstIndex: firstIndex)
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
    try session.console.result(
      written.map { "\($0.0): \($0.1.images.count) images, \($0.1.extractor.name) features" }.joined(separator: "\n"))
  }
}
