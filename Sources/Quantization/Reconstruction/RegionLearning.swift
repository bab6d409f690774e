/// What is learned of a region, and how: one part of a recipe's `reconstruction`.
struct RegionLearning {
  let iterations: Int
  let batch: Int
  let upstream: Recipe.ReconstructionUpstream
  let loss: Recipe.ReconstructionLoss
  /// Of the loss's differences.
  let power: Double
  /// nil: weights stay as they are.
  let weights: Recipe.Learning?
  /// nil: activations are float.
  let activations: Recipe.StepLearning?

  init(_ learning: Recipe.Learning) {
    iterations = learning.iterations
    batch = learning.batch
    upstream = learning.upstream
    loss = learning.loss
    power = 2
    weights = learning
    activations = learning.activations
  }

  init(_ learning: Recipe.ActivationLearning) {
    iterations = learning.iterations
    batch = learning.batch
    upstream = .quantizedWeights
    loss = learning.loss
    power = learning.power
    weights = nil
    activations = learning.steps
  }

  /// The network as its blocks see it meanwhile.
  func simulated(_ network: QuantizedNetwork) -> QuantizedNetwork {
    activations == nil ? network.withFloatActivations : network
  }

  /// Whether a unit has anything to learn.
  func concerns(_ unit: ReconstructionUnit, of network: QuantizedNetwork) -> Bool {
    unit.segment.nodes.contains { node in
      (weights != nil && network.weight(at: node) != nil) || (activations != nil && network.input(at: node) != nil)
    }
  }
}
