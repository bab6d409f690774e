extension QuantizationMethod {
  /// Mixed precision: every layer's weight and input at the width that costs the least error for what it saves, found by a
  /// greedy search under a budget (the search of RFQuant, without its training).
  ///
  /// What the search has chosen may be learned by gradients afterwards (`reconstruction`), every layer at its own width.
  ///
  /// Differs: from the widest choice downwards only, on errors measured once for each layer and width by itself; the paper
  /// measures every candidate again after each change.
  static let mixedPrecision = QuantizationMethod(
    name: "mixed", source: "the greedy search of Luo et al. 2024, \"One-shot weight-coupling learning\""
  ) { recipe in
    recipe.mixedPrecision == nil ? ["method mixed searches under a budget; give mixed_precision a map"] : []
  }
}
