extension QuantizationMethod {
  /// Q-Diffusion: a calibration set of states at evenly spaced steps, one range per activation for all steps, and inputs of
  /// shortcuts quantised apart on the two sides of their concatenation, weights with them (`split_inputs`).
  ///
  /// The reconstruction of blocks by AdaRound and the learning of the activations' steps are the recipe's
  /// `reconstruction.blocks` and `activation_steps`.
  static let qdiffusion = QuantizationMethod(
    name: "qdiffusion", source: "Li et al. 2023, \"Q-Diffusion: quantizing diffusion models\""
  ) { $0.tablesThatAreNotShared }
}
