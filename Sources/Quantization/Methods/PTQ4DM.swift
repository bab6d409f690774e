import Graphs

/// PTQ4DM (Shang et al. 2023, "Post-training quantization on diffusion models"): a calibration set of normally distributed
/// time steps (`calibration.distribution: ndtc`), ranges of least L2.4 error, one quantiser per activation for all steps.
///
/// As the released code: no rounding is learned; the activation ranges of successive batches are averaged.
/// Differs: activations are quantised where a layer reads them, which integer execution needs; the released code quantises
/// what a layer writes and multiplies floats.
package enum PTQ4DM: QuantizationMethod {
  package static let name = "ptq4dm"

  package static func contradictions(in recipe: Recipe) -> [String] {
    recipe.activationTables == .shared
      ? []
      : ["method ptq4dm has one range per activation for all steps; set activation_tables to shared, or method to tfmq"]
  }

  package static func quantize(_ task: QuantizationTask) throws -> QuantizedNetwork {
    try task.withActivations(task.reconstructed(task.firstRounding()))
  }
}
