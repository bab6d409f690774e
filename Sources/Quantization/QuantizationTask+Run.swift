import Graphs
import Tensors

extension QuantizationTask {
  /// Quantises as the recipe says: weights are rounded or their widths searched, temporal features are kept or selected, what
  /// is learned is learned, and activations get their quantisers. A section that the recipe turns off is a stage that
  /// returns what it was given.
  /// - Throws: `E-QUANT-RESULT` when what was made could not be stored.
  /// - Returns: the codes of every weight and the quantisers of every activation that the recipe quantises, with the
  ///   model whose biases belong to them.
  package func run() throws -> QuantizedNetwork {
    guard Catalog.names.contains(recipe.method) else { throw QuantizationError.method(recipe.method) }
    for pattern in selection.idlePatterns {
      note("note: float_layers: \(printable(pattern)) matches nothing, because this network has no such layers")
    }
    if recipe.branches == .separate, !separatesBranches {
      note("note: activation_tables.branches: nothing is guided, so there is one branch")
    }
    try checkActivations()
    var network = try recipe.mixedPrecision == nil ? roundedAndLearned() : searchedAndLearned()
    network.correction = try measuredCorrection(of: network)
    let unusable = network.unusableValues
    if !unusable.isEmpty { throw QuantizationError.nonFiniteResult(unusable) }
    return network
  }

  private func roundedAndLearned() throws -> QuantizedNetwork {
    let rounded = try withKeptFeatures(firstRounding())
    let temporal = try withSelectedFeatures(reconstructedTemporalBlock(rounded))
    return try withActivations(reconstructedBlocks(temporal))
  }

  /// Activations have the widths that the search gave them; where it chose float for all, none is quantised afterwards.
  private func searchedAndLearned() throws -> QuantizedNetwork {
    let search = try precisionSearch()
    let choices = try precisionChoices()
    let sensitivities = try sensitivities(choices, search)
    return try reconstructed(choices.network(search.allocation(sensitivities), explainedBy: sensitivities))
  }
}
