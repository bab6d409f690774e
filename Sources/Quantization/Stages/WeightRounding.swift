import Models
import Synchronization
import Tensors

extension QuantizationTask {
  /// Stage: integer codes of every weight that the recipe quantises, rounded to nearest on ranges chosen per output
  /// channel. By node path; empty when weights stay float.
  /// - Throws: `E-QUANT-WEIGHT` naming every weight with a value that is not finite.
  package func roundedWeights() throws -> [String: QuantizedWeight] {
    guard let settings = recipe.weights else { return [:] }
    let chosen = Set(selection.weights)
    let layers = model.graph.layerWeights.compactMap { layer in
      chosen.contains(layer.path) ? model.parameters[layer.parameter].map { (path: layer.path, weight: $0) } : nil
    }
    let broken = layers.filter { layer in layer.weight.values.contains { !$0.isFinite } }.map(\.path)
    if !broken.isEmpty { throw QuantizationError.nonFiniteWeights(broken) }
    try progress(WorkProgress(stage: "rounding weights", done: 0, total: layers.count))
    let rounded = Mutex<[String: QuantizedWeight]>([:])
    pool.parallel(layers.count) { index in
      let layer = layers[index]
      let codes = settings.roundToNearest(layer.weight)
      rounded.withLock { $0[layer.path] = codes }
    }
    try progress(WorkProgress(stage: "rounding weights", done: layers.count, total: layers.count))
    return rounded.withLock { $0 }
  }
}

extension Graph {
  /// Every convolution and linear layer in execution order: its node's path and the parameter it multiplies with.
  package var layerWeights: [(path: String, parameter: String)] {
    let layers = Set(sites.filter { $0.role == .weight }.map(\.node))
    return nodes.filter { layers.contains($0.path) }.compactMap { node in
      node.op.parameters.first.map { (node.path, $0) }
    }
  }
}
