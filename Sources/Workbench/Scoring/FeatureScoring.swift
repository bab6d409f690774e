import Evaluation
import Formats
import Models
import Tensors

/// Features and statistics of sets of images.
package struct FeatureScoring {
  package let extractor: any FeatureExtractor
  private let batch: Int

  /// - Parameter name: an extractor of the catalogue; nil for the standard one.
  package init(named name: String?, assets: Assets, compute: Compute) throws {
    let type = try name.map(FeatureExtractorCatalog.named) ?? FeatureExtractorCatalog.standard
    let path = joined(assets.folder(.model), type.weightsPath)
    extractor = try type.init(weights: Safetensors.read(path), digest: "sha256:" + Digest.sha256(file: path)) {
      try FloatExecutor($0, pool: compute.pool, kernels: compute.kernels)
    }
    batch = compute.batch
  }

  /// Sums the features of all images of `source`, a batch in memory at a time.
  package func accumulate(_ source: any ImageSource, session: Session) throws -> FeatureAccumulator {
    var accumulator = FeatureAccumulator(extractor: extractor.identity, dimension: extractor.dimension)
    for skipped in source.skipped { session.console.note("skipped \(skipped)") }
    let progress = Progress("extracting features", unit: "images", total: source.count, console: session.console)
    try source.forEachBatch(of: batch) { images in
      let features = try extractor.features(of: images.pixels, shape: images.shape)
      try accumulator.add(features, images: images.start..<(images.start + images.count))
      if let signal = Signals.pending {
        throw Stopped(signal: signal, progress: "no images", command: session.command)
      }
      progress.update(Double(images.start + images.count))
    }
    progress.finish(Double(source.count))
    return accumulator
  }

  /// Statistics of `path`: a statistics file as it is, anything else through the extractor.
  package func statistics(of path: String, session: Session) throws -> FeatureStatistics {
    if let archive = try Self.statisticsArchive(path) { return try FeatureStatistics(archive: archive, file: path) }
    return try accumulate(ImageSources.open(path), session: session).statistics()
  }

  /// The entries of a statistics file; nil when `path` is something else.
  private static func statisticsArchive(_ path: String) throws -> TensorArchive? {
    // A ZIP starts with PK; whether it holds statistics or samples shows in its entries.
    guard Folder.kind(of: path) == .file else { return nil }
    let file = try InputFile(path)
    guard file.size >= 2, try file.read(at: 0, count: 2) == Array("PK".utf8) else { return nil }
    let archive = try NPZFile(file)
    return archive.names.contains("mu") ? try archive.archiveInMemory() : nil
  }
}
