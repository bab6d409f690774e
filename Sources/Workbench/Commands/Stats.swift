import Evaluation
import Formats
import Tensors

/// `stats`: feature statistics of a set of images.
package struct StatsCommand: Sendable {
  package var images: String
  package var features: String?
  package var out: String
  package var threads: Int
  package var batch: Int

  package init(images: String, features: String?, out: String, threads: Int, batch: Int) {
    self.images = images
    self.features = features
    self.out = out
    self.threads = threads
    self.batch = batch
  }

  package func run(_ session: Session) throws {
    let scoring = try FeatureScoring(
      named: features, assets: session.assets, compute: Compute(threads: threads, batch: batch))
    let accumulator = try scoring.accumulate(ImageSources.open(images), session: session)
    try NPZ.write(accumulator.archive(), to: out)
    for warning in try accumulator.statistics().warnings(name: images) { session.console.note("warning: \(warning)") }
    try session.console.result("\(out): \(accumulator.images.count) images, \(accumulator.extractor.name) features")
  }
}
