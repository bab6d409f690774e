import Graphs
import Tensors

extension QuantizationTask {
  /// Stage: the first rounding of weights, where the recipe asks for it with each layer's range by the metric that costs
  /// the network's output least (DetPTQ: Niu et al. 2023, "Improving post-training quantization on object detection with
  /// task loss-guided Lp metric").
  ///
  /// Layer after layer in execution order, those before as they were chosen, those after in float; of equals the first.
  /// Differs: the network's own output stands for the paper's detection loss.
  package func firstRounding() throws -> QuantizedNetwork {
    guard let settings = recipe.adaptiveRanges, recipe.weights != nil else { return try roundedWeights() }
    let candidates = try settings.ranges.map { range in
      try with { $0.weights?.range = range }.roundedWeights()
    }
    let error = try OutputError(self, samples: settings.samples)
    return try leastError(
      selection.weights, "choosing weights' ranges", from: QuantizedNetwork(model: model), candidates, error
    ) { path, network, candidate in
      network.table.weights[path] = candidate.table.weights[path]
      let biases = model.graph.node(at: path)?.op.parameters.dropFirst().first.map { name in
        [name: candidate.model.parameters[name]].compactMapValues { $0 }
      }
      network.model = network.model.replacing(biases ?? [:])
    }
  }

  /// Stage: the activations' quantisers, where the recipe asks for it each site's range by the metric that costs the output
  /// least, as `firstRounding`; sites after the one that is looked at are float.
  /// - Parameter network: weights as they were rounded.
  package func chosenActivations(_ network: QuantizedNetwork) throws -> [Site: ActivationQuantizers] {
    guard let settings = recipe.adaptiveRanges, recipe.activations != nil else {
      return try activationQuantizers(network)
    }
    let candidates = try settings.ranges.map { range in
      var candidate = network
      candidate.table.activations = try with { $0.activations?.range = range }.activationQuantizers(network)
      return candidate
    }
    let error = try OutputError(self, samples: settings.samples)
    // The temporal block's ranges are exact.
    let fixed = candidates[0].table.activations.filter { site, first in
      candidates.allSatisfy { $0.table.activations[site] == first }
    }
    var start = network
    start.table.activations = fixed
    let sites = selection.activations.filter { fixed[$0] == nil }
    return try leastError(sites, "choosing activations' ranges", from: start, candidates, error) {
      site, network, candidate in
      network.table.activations[site] = candidate.table.activations[site]
    }.table.activations
  }

  /// The network that takes each part from the candidate which leaves the output the least error.
  private func leastError<Part>(
    _ parts: [Part], _ stage: String, from start: QuantizedNetwork, _ candidates: [QuantizedNetwork],
    _ error: OutputError, take: (Part, inout QuantizedNetwork, QuantizedNetwork) -> Void
  ) throws -> QuantizedNetwork {
    var network = start
    for (done, part) in parts.enumerated() {
      var (best, least) = (network, Double.infinity)
      for candidate in candidates {
        var changed = network
        take(part, &changed, candidate)
        let found = try error(changed)
        if found < least { (best, least) = (changed, found) }
      }
      network = best
      try progress(WorkProgress(stage: stage, unit: "parts", done: done + 1, total: parts.count))
    }
    return network
  }

  private func with(_ change: (inout Recipe) -> Void) -> QuantizationTask {
    var task = self
    change(&task.recipe)
    return task
  }
}
