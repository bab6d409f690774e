extension QuantizationMethod {
  /// Our own combination, free to take every stage: TFMQ-DM's quantisers per sampling step and its reconstruction of the
  /// temporal block, GPTQ's error compensation as the first rounding, corrected biases, and then all roundings learned together
  /// on the network's output, where errors of one layer can cancel those of another.
  static let halftone = QuantizationMethod(
    name: "halftone", source: "this project; docs/recipes.md", keepsFeatures: true
  ) { _ in [] }
}
