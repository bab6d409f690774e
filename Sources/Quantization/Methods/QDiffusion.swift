import Graphs

/// Q-Diffusion (Li et al. 2023, "Q-Diffusion: quantizing diffusion models"): a calibration set of states at evenly spaced
/// steps, one range per activation for all steps, and inputs of shortcuts quantised apart on the two sides of their
/// concatenation, weights with them (`split_inputs`).
///
/// The reconstruction of blocks by AdaRound and the learning of the activations' steps are the recipe's
/// `reconstruction.blocks` and `activation_steps`.
package enum QDiffusion: QuantizationMethod {
  package static let name = "qdiffusion"

  package static func contradictions(in recipe: Recipe) -> [String] {
    recipe.activationTables == .shared
      ? []
      : [
        "method qdiffusion has one range per activation for all steps; set activation_tables to shared, or method to tfmq"
      ]
  }

  package static func quantize(_ task: QuantizationTask) throws -> QuantizedNetwork {
    try task.withActivations(task.reconstructed(task.firstRounding()))
  }
}
