import Models

/// Q-Diffusion (Li et al. 2023, "Q-Diffusion: quantizing diffusion models"): a calibration set of states at evenly spaced
/// steps, one range per activation for all steps, and inputs of shortcuts quantised apart on the two sides of their
/// concatenation, weights with them (`split_inputs`).
///
/// Differs: the paper reconstructs blocks by AdaRound and learns the activations' steps; here weights are rounded as the
/// recipe says and ranges are searched.
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
    var network = try task.roundedWeights()
    network.table.activations = try task.sharedRanges(network)
    return network
  }
}
