import Diffusion
import Tensors

/// How far predictions are pushed from the unconditional ones, and how much of that is rescaled (`Guidance`), without saying what
/// stands for no condition: the network's own row does.
package struct GuidanceSetting: Sendable, Equatable {
  package let scale: Double
  package let rescale: Double

  package init(scale: Double, rescale: Double) {
    self.scale = scale
    self.rescale = rescale
  }

  package static let scales = -100.0...100.0

  init(_ reader: ConfigurationReader) {
    scale = reader.double("scale", in: Self.scales)
    rescale = reader.double("rescale", in: 0...1)
  }

  package func encode() -> ConfigurationValue { ["scale": .number(scale), "rescale": .number(rescale)] }
}

/// A calibration set of guided trajectories as the network meets it: every state once on its own condition and once on none, as
/// guidance calls the network. The set on the disk holds a state once.
package struct GuidedSet: CalibrationSource {
  private let base: any CalibrationSource
  private let unconditional: Conditioning

  /// - Parameter unconditional: what stands for no condition.
  package init(_ base: any CalibrationSource, unconditional: Conditioning) {
    self.base = base
    self.unconditional = unconditional
  }

  package var provenance: CalibrationProvenance { base.provenance }
  package var digest: String { base.digest }
  package var counts: [Int] { base.counts.map { 2 * $0 } }

  /// Sample 2k is state k on its condition, sample 2k + 1 the same on none.
  package func samples(step: Int, _ range: Range<Int>) throws -> CalibrationSamples {
    let states = try base.samples(step: step, range.lowerBound / 2..<(range.upperBound + 1) / 2)
    let offset = range.lowerBound / 2
    let rows = range.map { $0 / 2 - offset }
    return CalibrationSamples(
      step: step, trajectories: rows.map { states.trajectories[$0] },
      x: .stacked(rows.map { states.x.rows($0..<$0 + 1) }),
      conditioning: range.map {
        $0 % 2 == 0 ? states.conditioning[$0 / 2 - offset].on(.conditional) : unconditional.on(.unconditional)
      })
  }
}
