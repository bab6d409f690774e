extension QuantizationMethod {
  /// GPTQ: weights rounded column by column, errors compensated by the columns that follow, on input moments averaged over
  /// all sampling steps. Activations as the recipe says.
  static let gptq = QuantizationMethod(
    name: "gptq", source: "Frantar et al. 2022, \"GPTQ: accurate post-training quantization\""
  ) { recipe in
    var found: [String] = []
    if case .gptq? = recipe.weights?.rounding {
    } else {
      found.append(
        "method gptq compensates rounding errors; set weights.rounding to a map with method gptq, or method to rtn")
    }
    if recipe.reconstruction != nil {
      found.append("method gptq learns nothing by gradients; set reconstruction to none, or method to halftone or rtn")
    }
    return found
  }
}
