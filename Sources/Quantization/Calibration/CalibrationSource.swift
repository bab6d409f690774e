import Diffusion
import Tensors

/// Calibration samples of one sampling step.
package struct CalibrationSamples: Sendable, Equatable {
  /// The step that the network is told; its position in execution order.
  package let step: Int
  /// Number of each sample's trajectory: the index its initial noise was drawn for.
  package let trajectories: [Int]
  /// N C H W.
  package let x: Tensor
  /// One per sample; empty for unconditional models.
  package let conditioning: [Conditioning]

  package init(step: Int, trajectories: [Int], x: Tensor, conditioning: [Conditioning]) {
    precondition(
      x.dims.first == trajectories.count && (conditioning.isEmpty || conditioning.count == trajectories.count))
    self.step = step
    self.trajectories = trajectories
    self.x = x
    self.conditioning = conditioning
  }

  package var count: Int { trajectories.count }

  /// Those of one branch of guidance.
  func only(_ branch: GuidanceBranch) -> CalibrationSamples {
    let rows = conditioning.indices.filter { conditioning[$0].branch == branch }
    return CalibrationSamples(
      step: step, trajectories: rows.map { trajectories[$0] },
      x: rows.isEmpty ? x.rows(0..<0) : .stacked(rows.map { x.rows($0..<($0 + 1)) }),
      conditioning: rows.map { conditioning[$0] })
  }
}

/// A calibration set that can be read in pieces: from memory, or streamed from a file.
package protocol CalibrationSource: Sendable {
  var provenance: CalibrationProvenance { get }
  /// Identity of provenance and samples, recorded as lineage: of a stored set, its file's digest.
  var digest: String { get }
  /// Number of samples at each sampling step.
  var counts: [Int] { get }
  /// Samples `range` of those at `step`, which are in ascending order of their trajectories.
  func samples(step: Int, _ range: Range<Int>) throws -> CalibrationSamples
}

/// Receives the samples of a calibration set while it is made. For each step they come in ascending order of their
/// trajectories, whatever the batch size; steps interleave. A sink that stores each step by itself therefore holds the
/// same content for every batch size.
package protocol CalibrationSink: AnyObject {
  /// Called once, first. - Parameter counts: samples to come at each step.
  func begin(_ provenance: CalibrationProvenance, counts: [Int]) throws
  func append(_ samples: CalibrationSamples) throws
}
