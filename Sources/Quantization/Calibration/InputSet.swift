import Diffusion
import Tensors

/// Inputs of a network that knows no sampling steps, such as a first stage's decoder, as a calibration set of one step.
package struct InputSet: CalibrationSource {
  package let provenance: CalibrationProvenance
  /// The inputs are used once and stand in no file.
  package let digest = "in memory"
  /// N C H W.
  private let x: Tensor

  /// - Parameters: x: N C H W; networkDigest: identity of the network that they go through; sampler: what drew them.
  package init(
    _ x: Tensor, networkDigest: String, sampler: ConfigurationValue, calibration: Recipe.Calibration
  ) {
    self.x = x
    provenance = CalibrationProvenance(
      modelDigest: networkDigest, imageShape: ImageShape(channels: x.dims[1], height: x.dims[2], width: x.dims[3]),
      conditioning: .unconditional, sampler: sampler, steps: [Step(index: 0, timestep: Timestep(0), previous: nil)],
      calibration: calibration)
  }

  package var counts: [Int] { [x.dims[0]] }

  package func samples(step: Int, _ range: Range<Int>) -> CalibrationSamples {
    CalibrationSamples(step: step, trajectories: Array(range), x: x.rows(range), conditioning: [])
  }
}
