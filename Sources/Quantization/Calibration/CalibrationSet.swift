import Tensors

/// A calibration set in memory, grouped by step.
package struct CalibrationSet: CalibrationSource {
  package let provenance: CalibrationProvenance
  package let digest: String
  private let groups: [CalibrationSamples]

  /// - Parameter groups: one for each step of the provenance, in order.
  package init(provenance: CalibrationProvenance, digest: String, groups: [CalibrationSamples]) {
    precondition(groups.map(\.step) == Array(provenance.steps.indices))
    self.provenance = provenance
    self.digest = digest
    self.groups = groups
  }

  package var counts: [Int] { groups.map(\.count) }

  package func samples(step: Int, _ range: Range<Int>) -> CalibrationSamples {
    let group = groups[step]
    return CalibrationSamples(
      step: step, trajectories: Array(group.trajectories[range]), x: group.x.rows(range),
      conditioning: Array(group.conditioning.isEmpty ? [] : group.conditioning[range]))
  }
}

/// Gathers a calibration set in memory.
package final class CalibrationSetBuilder: CalibrationSink {
  private var provenance: CalibrationProvenance?
  private var parts: [[CalibrationSamples]] = []

  package init() {}

  package func begin(_ provenance: CalibrationProvenance, counts: [Int]) {
    self.provenance = provenance
    parts = .init(repeating: [], count: counts.count)
  }

  package func append(_ samples: CalibrationSamples) { parts[samples.step].append(samples) }

  /// The set; nil before `begin`. - Parameter digest: what lineage calls it.
  package func set(digest: String) -> CalibrationSet? {
    guard let provenance else { return nil }
    let empty = Tensor([0] + provenance.imageShape.dims)
    let groups = parts.enumerated().map { step, parts in
      CalibrationSamples(
        step: step, trajectories: parts.flatMap(\.trajectories), x: parts.isEmpty ? empty : .stacked(parts.map(\.x)),
        conditioning: parts.flatMap(\.conditioning))
    }
    return CalibrationSet(provenance: provenance, digest: digest, groups: groups)
  }
}
