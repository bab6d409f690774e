import Evaluation
import Formats
import Models
import Tensors

/// Features and statistics of sets of images.
package struct FeatureScoring {
  package let extractor: any FeatureExtractor
  private let batch: Int

  /// - Parameter name: an extractor of the catalogue, `NAME` or `NAME=WEIGHTS`; nil for the standard one.
  package init(named name: String?, assets: Assets, compute: Compute) throws {
    let request = try ExtractorRequest(name, assets: assets)
    let path = request.path
    extractor = try request.type.init(
      weights: ExtractorRequest.weights(path), digest: "sha256:" + Digest.sha256(file: path)
    ) {
      try FloatExecutor($0, pool: compute.pool, kernels: compute.kernels)
    }
    batch = compute.batch
  }

  /// Sums the features of the selected images, a batch in memory at a time.
  package func accumulate(_ selection: ImageSelection, session: Session) throws -> FeatureAccumulator {
    var accumulator = FeatureAccumulator(extractor: extractor.identity, dimension: extractor.dimension)
    try forEachBatch(of: selection, session: session) { features, indices in
      try accumulator.add(features, images: indices)
    }
    return accumulator
  }

  /// Hands over the features of the selected images, batch by batch, with the images' indices.
  func forEachBatch(
    of selection: ImageSelection, session: Session, _ body: (_ features: Tensor, _ indices: [Int]) throws -> Void
  ) throws {
    for skipped in selection.source.skipped { session.console.note("skipped \(skipped)") }
    let progress = Progress("extracting features", unit: "images", total: selection.count, console: session.console)
    try selection.source.forEachBatch(of: batch, in: selection.positions) { images in
      let features = try extractor.features(of: images.pixels, shape: images.shape)
      try body(features, (images.start..<(images.start + images.count)).map(selection.index))
      if let signal = Signals.pending {
        throw Stopped(signal: signal, progress: "no images", command: session.command)
      }
      progress.update(Double(images.start + images.count - selection.positions.lowerBound))
    }
    progress.finish(Double(selection.count))
  }

  /// Statistics of `path`: see `scored`.
  package func statistics(of path: String, session: Session) throws -> FeatureStatistics {
    try scored(path, keepsFeatures: false, session: session).statistics
  }
}
