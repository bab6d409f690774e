import Graphs

/// TFMQ-DM (Huang et al. 2024, "Temporal feature maintenance quantization for diffusion models"), its finite set
/// calibration: activations get one quantiser per sampling step, in the temporal information block (the paper, section
/// 3.3), everywhere (the released code), or nowhere (`activation_tables`, for ablations).
///
/// Temporal information aware reconstruction (section 3.2) and the reconstruction of the rest are the recipe's
/// `reconstruction.temporal_block` and `blocks`, each switched by itself. Instead, temporal features may be kept for every
/// step, all of them or those that the quantised block disturbs more (`temporal_features`; Huang et al. 2024, "Temporal
/// feature matters").
///
/// Differs: weights are first rounded as the recipe says; the shipped ones compensate errors in closed form
/// (`ErrorFeedback`), correct biases, and learn on the network's output instead of block by block.
package enum TFMQ: QuantizationMethod {
  package static let name = "tfmq"

  package static func contradictions(in recipe: Recipe) -> [String] { [] }

  package static func quantize(_ task: QuantizationTask) throws -> QuantizedNetwork {
    let rounded = try task.withKeptFeatures(task.firstRounding())
    let temporal = try task.withSelectedFeatures(task.reconstructedTemporalBlock(rounded))
    return try task.withActivations(task.reconstructedBlocks(temporal))
  }
}
