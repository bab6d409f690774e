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
  package var threads: Int
  package var batch: Int

  package init(
    images: String, options: ScoringOptions, indices: ClosedRange<Int>?, firstIndex: Int?, out: String, threads: Int,
    batch: Int
  ) {
    self.images = images
    self.options = options
    self.indices = indices
    self.firstIndex = firstIndex
    self.out = out
    self.threads = threads
    self.batch = batch
  }

  package func run(_ session: Session) throws {
    // Unless features are to be kept for longer, they stand beside the result until it is there.
    var options = options
    options.temporaryFeatures = out + ".features"
    let scoring = try FeatureScoring(
      options, session: session, compute: Compute(threads: threads, batch: batch))
    let selection = try ImageSelection(scoring.images(images), indices: indices, firstIndex: firstIndex)
    let accumulator = try scoring.accumulate(selection, session: session)
    try NPZ.write(accumulator.archive(), to: out)
    if let kept = scoring.kept, kept.isTemporary { kept.discard() }
    for warning in try accumulator.statistics().warnings(name: images) { session.console.note("warning: \(warning)") }
    try session.console.result("\(out): \(accumulator.images.count) images, \(accumulator.extractor.name) features")
  }
}
