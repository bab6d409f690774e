import Graphs
import Tensors

extension QuantizationTask {
  /// The layers that the recipe's search chooses widths of, and their budget.
  /// - Throws: `E-QUANT-BUDGET` when the narrowest choice exceeds it.
  func precisionSearch() throws(QuantizationError) -> PrecisionSearch {
    guard let settings = recipe.mixedPrecision else {
      preconditionFailure("recipes of method mixed say what to search")
    }
    let (weights, inputs) = (Set(selection.weights), Set(selection.activations.map(\.node)))
    let summary = GraphSummary(model.graph)
    let float = [Recipe.MixedPrecision.float]
    var fixed = settings.budget == .bytes ? Double(4 * summary.parameterCount) : 0
    var (layers, total) = ([PrecisionSearch.Layer](), fixed)
    for contraction in summary.contractions {
      let node = model.graph.node(at: contraction.path)
      let cost = PrecisionCost(
        budget: settings.budget, weightCount: contraction.weightCount,
        rows: node.flatMap { model.graph.parameterDims(of: $0)?.first } ?? 1,
        multiplyAccumulates: contraction.isTemporal ? 0 : contraction.multiplyAccumulates)
      if settings.budget != .bytes { total += cost.float }
      guard weights.contains(contraction.path) else {
        if settings.budget != .bytes { fixed += cost.float }
        continue
      }
      if settings.budget == .bytes { fixed -= cost.float }
      layers.append(
        .init(
          path: contraction.path, cost: cost, weights: settings.weightBits,
          activations: inputs.contains(contraction.path) ? settings.activationBits : float))
    }
    return try PrecisionSearch(layers: layers, fixed: fixed, limit: settings.share * total, float: total)
  }
}

/// A network quantised at each width that may be chosen.
package struct PrecisionChoices: Sendable {
  let float: Model
  /// By bits.
  let weights: [Int: QuantizedNetwork]
  /// At the widest integer choice.
  let activations: [Site: ActivationQuantizers]

  /// The network with these widths; biases belong to the weights as they were rounded. Attention products are no layers
  /// and keep the width they have.
  func network(_ widths: [String: LayerWidths]) -> QuantizedNetwork {
    var network = QuantizedNetwork(model: float)
    network.table.activations = activations.filter { $0.key.role != .input }
    var biases: [String: Tensor] = [:]
    for node in float.graph.nodes {
      guard let chosen = widths[node.path] else { continue }
      if let rounded = weights[chosen.weight] {
        network.table.weights[node.path] = rounded.table.weights[node.path]
        if let bias = node.op.parameters.dropFirst().first { biases[bias] = rounded.model.parameters[bias] }
      }
      let site = Site(node: node.path, role: .input)
      if chosen.activation <= 8, let quantizers = activations[site] {
        network.table.activations[site] = quantizers.with(bits: chosen.activation)
      }
    }
    network.model = float.replacing(biases)
    return network
  }

  func network(_ widths: [String: LayerWidths], explainedBy sensitivities: [LayerSensitivity]) -> QuantizedNetwork {
    var network = network(widths)
    network.sensitivities = sensitivities
    return network
  }
}

extension QuantizationTask {
  /// Stage: the network's weights rounded at every width, and its activations' ranges at the widest.
  func precisionChoices() throws -> PrecisionChoices {
    let settings = recipe.mixedPrecision
    var weights: [Int: QuantizedNetwork] = [:]
    for bits in settings?.weightBits ?? [] where bits <= 8 { weights[bits] = try roundedWeights(bits: bits) }
    let widest = weights.keys.max().flatMap { weights[$0] } ?? QuantizedNetwork(model: model)
    return PrecisionChoices(float: model, weights: weights, activations: try activationQuantizers(widest))
  }

  /// Stage: for every layer, operand and width, how much the output suffers when it alone is as narrow. Common samples for
  /// all of them, so that their noise cancels.
  func sensitivities(_ choices: PrecisionChoices, _ search: PrecisionSearch) throws -> [LayerSensitivity] {
    let error = try OutputError(self, samples: recipe.mixedPrecision?.samples ?? 1)
    let widest = Dictionary(uniqueKeysWithValues: search.layers.map { ($0.path, $0.widest) })
    let base = try error(choices.network(widest))
    let total = search.layers.reduce(0) { $0 + $1.weights.count + $1.activations.count - 2 }
    var done = 0
    return try search.layers.map { layer in
      var sensitivity = LayerSensitivity(path: layer.path, weight: [:], activation: [:])
      func measure(_ change: (inout LayerWidths) -> Void) throws -> Double {
        var widths = widest
        change(&widths[layer.path, default: layer.widest])
        let added = try error(choices.network(widths)) - base
        done += 1
        try progress(WorkProgress(stage: "measuring sensitivities", unit: "choices", done: done, total: total))
        // A change for the better is luck of the samples.
        return max(added, 0)
      }
      for bits in layer.weights.dropFirst() { sensitivity.weight[bits] = try measure { $0.weight = bits } }
      for bits in layer.activations.dropFirst() { sensitivity.activation[bits] = try measure { $0.activation = bits } }
      return sensitivity
    }
  }
}

extension ActivationQuantizers {
  /// The same ranges in fewer bits.
  func with(bits: Int) -> ActivationQuantizers {
    replacing(
      rows: rows.map { row in
        if row.bits == bits { return row }
        let largest = (1 << bits) - 1
        let ratio = Double(largest) / Double(row.largestCode)
        return AffineQuantizer(
          bits: bits, granularity: row.granularity, scales: row.scales.map { Float(Double($0) / ratio) },
          zeroPoints: row.zeroPoints.map { Int(roundHalfToEven(Double($0) * ratio)) })
      })
  }
}
