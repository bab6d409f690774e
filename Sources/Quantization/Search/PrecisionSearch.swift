import Graphs

/// Widths of one layer's operands.
package struct LayerWidths: Sendable, Equatable {
  package var weight: Int
  package var activation: Int
  package init(weight: Int, activation: Int) {
    self.weight = weight
    self.activation = activation
  }
}

/// How much the network's output suffers when one operand of one layer alone is narrower than the widest choice.
package struct LayerSensitivity: Sendable, Equatable {
  package let path: String
  /// By width: mean squared deviation of the output beyond that at the widest choice.
  package var weight: [Int: Double]
  package var activation: [Int: Double]
  package init(path: String, weight: [Int: Double], activation: [Int: Double]) {
    self.path = path
    self.weight = weight
    self.activation = activation
  }
}

/// Chooses widths for layers under a budget.
package struct PrecisionSearch: Sendable {
  package struct Layer: Sendable {
    package let path: String
    package let cost: PrecisionCost
    /// What its operands may be, descending.
    package let weights: [Int]
    package let activations: [Int]
    package init(path: String, cost: PrecisionCost, weights: [Int], activations: [Int]) {
      self.path = path
      self.cost = cost
      self.weights = weights
      self.activations = activations
    }

    var widest: LayerWidths { LayerWidths(weight: weights[0], activation: activations[0]) }
    var least: Double {
      weights.flatMap { weight in activations.map { cost.cost(weight: weight, activation: $0) } }.min() ?? 0
    }
    func cost(_ widths: LayerWidths) -> Double { cost.cost(weight: widths.weight, activation: widths.activation) }
  }

  package let layers: [Layer]
  /// What is not chosen costs.
  package let fixed: Double
  package let limit: Double

  /// - Throws: when even the narrowest choice exceeds the limit.
  package init(layers: [Layer], fixed: Double, limit: Double, float: Double) throws(QuantizationError) {
    self.layers = layers
    self.fixed = fixed
    self.limit = limit
    let least = layers.reduce(fixed) { $0 + $1.least }
    if least > limit { throw .budget(share: limit / float, least: least / float) }
  }

  /// Step by step the change of least added error per saved cost, until the budget holds; of equals the first.
  package func allocation(_ sensitivities: [LayerSensitivity]) -> [String: LayerWidths] {
    var widths = layers.map(\.widest)
    var total = zip(layers, widths).reduce(fixed) { $0 + $1.0.cost($1.1) }
    while total > limit {
      var best: (layer: Int, widths: LayerWidths, ratio: Double, saving: Double)?
      for (index, layer) in layers.enumerated() {
        let current = widths[index]
        for candidate in candidates(layer, current) {
          let saving = layer.cost(current) - layer.cost(candidate)
          guard saving > 0 else { continue }
          let added = error(sensitivities[index], candidate) - error(sensitivities[index], current)
          let ratio = added / saving
          if best.map({ ratio < $0.ratio }) ?? true { best = (index, candidate, ratio, saving) }
        }
      }
      guard let best else { break }
      widths[best.layer] = best.widths
      total -= best.saving
    }
    return Dictionary(uniqueKeysWithValues: zip(layers.map(\.path), widths))
  }

  /// Both operands narrower or equal; one change at a time, and both together, since integers need both.
  private func candidates(_ layer: Layer, _ current: LayerWidths) -> [LayerWidths] {
    let weights = layer.weights.filter { $0 <= current.weight }
    let activations = layer.activations.filter { $0 <= current.activation }
    return weights.flatMap { weight in
      activations.map { LayerWidths(weight: weight, activation: $0) }
    }.filter { $0 != current }
  }

  private func error(_ sensitivity: LayerSensitivity, _ widths: LayerWidths) -> Double {
    (sensitivity.weight[widths.weight] ?? 0) + (sensitivity.activation[widths.activation] ?? 0)
  }
}
