import Models
import Synchronization
import Tensors

extension QuantizationTask {
  /// Stage: integer codes of every weight that the recipe quantises, rounded to nearest on ranges chosen per output
  /// channel. By node path; empty when weights stay float.
  /// - Throws: `E-QUANT-WEIGHT` naming every weight with a value that is not finite.
  func roundedWeights() throws -> [String: QuantizedWeight] {
    guard let settings = recipe.weights else { return [:] }
    let chosen = Set(selection.weights)
    let layers = model.graph.nodes.compactMap { node -> (path: String, weight: Tensor)? in
      guard chosen.contains(node.path), let name = node.weightName else { return nil }
      return model.parameters[name].map { (node.path, $0) }
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

extension Node {
  /// The parameter that a convolution or linear layer multiplies with; nil for every other operation.
  package var weightName: String? {
    switch op {
    case .conv2d(let convolution): convolution.weight
    case .linear(let weight, _): weight
    case .image, .timestep, .label, .sinusoidalEmbedding, .fourierEmbedding, .embedding, .attentionScores,
      .attentionValues, .groupNorm, .activation, .softmax, .add, .addPerChannel, .scaleShift, .affine,
      .divideByTimestep, .concatenate, .upsampleNearest, .averagePool, .toTokens, .fromTokens, .globalAveragePool:
      nil
    }
  }
}
