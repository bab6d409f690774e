import Graphs

/// Mixed precision: every layer's weight and input at the width that costs the least error for what it saves, found by a
/// greedy search under a budget (the search of RFQuant: Luo et al. 2024, "One-shot weight-coupling learning", without its
/// training).
///
/// What the search has chosen may be learned by gradients afterwards (`reconstruction`), every layer at its own width.
///
/// Differs: from the widest choice downwards only, on errors measured once for each layer and width by itself; the paper
/// measures every candidate again after each change.
package enum MixedPrecision: QuantizationMethod {
  package static let name = "mixed"

  package static func contradictions(in recipe: Recipe) -> [String] {
    recipe.mixedPrecision == nil ? ["method mixed searches under a budget; give mixed_precision a map"] : []
  }

  package static func quantize(_ task: QuantizationTask) throws -> QuantizedNetwork {
    let search = try task.precisionSearch()
    let choices = try task.precisionChoices()
    let sensitivities = try task.sensitivities(choices, search)
    return try task.reconstructed(choices.network(search.allocation(sensitivities), explainedBy: sensitivities))
  }
}
