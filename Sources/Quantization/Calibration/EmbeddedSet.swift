import Diffusion
import Tensors

/// A calibration set whose samples have labels, for a network that takes the context which a table has for each: provenance,
/// digest and counts are the set's own.
package struct EmbeddedSet: CalibrationSource {
  private let base: any CalibrationSource
  private let embedder: ClassEmbedder

  /// - Precondition: the set's labels are rows of the table, which sets are checked for when they are opened.
  package init(_ base: any CalibrationSource, _ embedder: ClassEmbedder) {
    self.base = base
    self.embedder = embedder
  }

  package var provenance: CalibrationProvenance { base.provenance }
  package var digest: String { base.digest }
  package var counts: [Int] { base.counts }

  package func samples(step: Int, _ range: Range<Int>) throws -> CalibrationSamples {
    let samples = try base.samples(step: step, range)
    return CalibrationSamples(
      step: samples.step, trajectories: samples.trajectories, x: samples.x,
      conditioning: samples.conditioning.map(embedder.embedded))
  }
}
