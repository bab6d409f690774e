extension QuantizationMethod {
  /// QDrop: the rounding of weights and the steps of activations learned together, block by block, on inputs of which each
  /// element is drawn from the float or the quantised network (`upstream: mixed`), while each quantised element passes as it
  /// is with the same probability (`activations.drop`).
  static let qdrop = QuantizationMethod(
    name: "qdrop",
    source:
      "Wei et al. 2022, \"QDrop: randomly dropping quantization for extremely low-bit post-training quantization\""
  ) { recipe in
    recipe.reconstruction?.blocks?.activations == nil
      ? ["method qdrop learns activations with the weights of each block; give reconstruction.blocks.activations a map"]
      : []
  }
}
