import Models

/// GPTQ (Frantar et al. 2022, "GPTQ: accurate post-training quantization"): weights rounded column by column, errors
/// compensated by the columns that follow, on input moments averaged over all sampling steps. Activations as the recipe
/// says.
package enum GPTQ: QuantizationMethod {
  package static let name = "gptq"

  package static func contradictions(in recipe: Recipe) -> [String] {
    if case .gptq? = recipe.weights?.rounding { return [] }
    return ["method gptq compensates rounding errors; set weights.rounding to a map with method gptq, or method to rtn"]
  }

  package static func quantize(_ task: QuantizationTask) throws -> QuantizedNetwork {
    var network = try task.roundedWeights()
    network.table.activations = try task.activationQuantizers(network)
    return network
  }
}
