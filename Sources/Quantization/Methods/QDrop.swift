import Graphs

/// QDrop (Wei et al. 2022, "QDrop: randomly dropping quantization for extremely low-bit post-training quantization"): the
/// rounding of weights and the steps of activations learned together, block by block, on inputs of which each element is
/// drawn from the float or the quantised network (`upstream: mixed`), while each quantised element passes as it is with
/// the same probability (`activations.drop`).
package enum QDrop: QuantizationMethod {
  package static let name = "qdrop"

  package static func contradictions(in recipe: Recipe) -> [String] {
    recipe.reconstruction?.blocks?.activations == nil
      ? ["method qdrop learns activations with the weights of each block; give reconstruction.blocks.activations a map"]
      : []
  }

  package static func quantize(_ task: QuantizationTask) throws -> QuantizedNetwork {
    try task.reconstructed(task.firstRounding())
  }
}
