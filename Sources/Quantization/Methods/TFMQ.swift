extension QuantizationMethod {
  /// TFMQ-DM: the weights of the temporal information block reconstructed together on the finite set of sampling steps
  /// (`reconstruction.temporal_block`; the paper, section 3.2), every other block by AdaRound (`blocks`), and activations with
  /// one quantiser per sampling step in the temporal block (section 3.3), everywhere (the released code), or nowhere
  /// (`activation_tables`, for ablations).
  ///
  /// Instead, temporal features may be kept for every step, all of them or those that the quantised block disturbs more
  /// (`temporal_features`; Huang et al. 2024, "Temporal feature matters").
  static let tfmq = QuantizationMethod(
    name: "tfmq",
    source: "Huang et al. 2024, \"Temporal feature maintenance quantization for diffusion models\"", keepsFeatures: true
  ) { recipe in
    recipe.reconstruction?.network == nil
      ? []
      : [
        "method tfmq learns block by block; set reconstruction.network to none, or method to halftone, which learns on the network's output"
      ]
  }
}
