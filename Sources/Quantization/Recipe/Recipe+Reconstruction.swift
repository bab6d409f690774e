import Tensors

extension Recipe {
  /// Learning by gradients after the first rounding: weights block by block (AdaRound, BRECQ), then all together on the
  /// network's output, activations' steps with them or afterwards.
  package struct Reconstruction: Sendable, Equatable {
    /// Calibration samples per sampling step, the first of each.
    package var samplesPerStep: Int
    /// Of the cached values, MiB.
    package var memory: Int
    /// Of blocks.
    package var order: UnitOrder
    /// nil: the temporal block is not learned by itself (TFMQ-DM's temporal information aware reconstruction).
    package var temporalBlock: Learning?
    /// nil: blocks are not learned one by one.
    package var blocks: Learning?
    /// nil: the network is not learned as a whole.
    package var network: Learning?
    /// nil: activations' steps are not learned after the weights.
    package var activationSteps: ActivationLearning?
  }

  /// How the rounding of one block, or of the network, is learned.
  package struct Learning: Sendable, Equatable {
    package var relaxation: Relaxation
    /// Of each block.
    package var iterations: Int
    package var batch: Int
    /// Adam's rate for the rounding variables.
    package var learningRate: Double
    /// For the scales learned with them; 0 keeps them.
    package var scaleLearningRate: Double
    /// For the layers' biases; 0 keeps them.
    package var biasLearningRate: Double
    /// Weight of AdaRound's regulariser.
    package var penalty: Double
    /// Share of the iterations without regulariser.
    package var warmUp: Double
    /// The regulariser's exponent after the warm-up and at the end.
    package var firstExponent: Double
    package var lastExponent: Double
    /// Where the variables start: 0 at the weights, 1 at the codes of the first rounding.
    package var startTrust: Double
    package var upstream: ReconstructionUpstream
    package var loss: ReconstructionLoss
    /// nil: activations are float meanwhile.
    package var activations: StepLearning?
  }

  /// Activations that are quantised while weights are learned, their steps learned with them.
  package struct StepLearning: Sendable, Equatable {
    /// Adam's rate as a share of each step at the start; falls by a cosine to 0.
    package var learningRate: Double
    /// Share of the elements that pass unquantised in each iteration (QDrop).
    package var drop: Double
  }

  /// Learning of activations' steps with the weights as they are (LSQ; the second phase of BRECQ and Q-Diffusion).
  package struct ActivationLearning: Sendable, Equatable {
    package var scope: LearningScope
    package var iterations: Int
    package var batch: Int
    package var steps: StepLearning
    /// Of the loss's differences.
    package var power: Double
    package var loss: ReconstructionLoss
  }

  /// In which order blocks are learned.
  package enum UnitOrder: String, Sendable, CaseIterable {
    /// As the network computes them.
    case execution
    /// As the released codes define them; inputs come from blocks that are rounded, but not yet learned.
    case definition
  }

  /// On whose outputs something is learned.
  package enum LearningScope: String, Sendable, CaseIterable {
    case blocks, network
  }

  /// What stands for a code while it is learned.
  package enum Relaxation: String, Sendable, CaseIterable {
    /// AdaRound: between the two codes around a weight, driven to either by the regulariser.
    case rectifiedSigmoid = "rectified_sigmoid"
    /// The code itself, its rounding passed over by gradients; rates fall by a cosine to 0.
    case straightThrough = "straight_through"
  }

  /// What a block's inputs are while it is learned; its targets are always the float network's outputs.
  package enum ReconstructionUpstream: String, Sendable, CaseIterable {
    case float
    /// Of the network quantised so far (asymmetric reconstruction).
    case quantizedWeights = "quantized_weights"
    /// Each element from either of the two, at random (QDrop).
    case mixed
  }

  /// How much samples of different sampling steps count.
  package enum ReconstructionLoss: String, Sendable, CaseIterable {
    /// The plain mean.
    case equal
    /// Each divided by its step's error at the start.
    case relative
  }
}

extension Recipe.Reconstruction {
  init(_ reader: ConfigurationReader) {
    samplesPerStep = reader.int("samples_per_step", in: 1...65536)
    memory = reader.int("memory_mib", in: 1...1_048_576)
    order = reader.choice("order")
    temporalBlock = reader.section("temporal_block", or: "none").map(Recipe.Learning.init)
    blocks = reader.section("blocks", or: "none").map(Recipe.Learning.init)
    network = reader.section("network", or: "none").map(Recipe.Learning.init)
    activationSteps = reader.section("activation_steps", or: "none").map(Recipe.ActivationLearning.init)
    if temporalBlock?.activations != nil {
      reader.report("temporal_block", "its features are learned with float activations; set activations to float")
    }
    if ["temporal_block", "blocks", "network", "activation_steps"].allSatisfy({ reader.value($0) == "none" }) {
      reader.report(
        nil,
        "nothing is learned; give temporal_block, blocks, network or activation_steps, or set reconstruction to none")
    }
  }

  /// Whether anything of it quantises activations.
  var needsActivations: Bool {
    blocks?.activations != nil || network?.activations != nil || activationSteps != nil
  }

  func encode() -> ConfigurationValue {
    [
      "samples_per_step": .integer(samplesPerStep), "memory_mib": .integer(memory),
      "order": .string(order.rawValue),
      "temporal_block": temporalBlock.map { $0.encode() } ?? "none",
      "blocks": blocks.map { $0.encode() } ?? "none", "network": network.map { $0.encode() } ?? "none",
      "activation_steps": activationSteps.map { $0.encode() } ?? "none",
    ]
  }
}

extension Recipe.Learning {
  fileprivate init(_ reader: ConfigurationReader) {
    relaxation = reader.choice("relaxation")
    iterations = reader.int("iterations", in: 1...1_000_000)
    batch = reader.int("batch", in: 1...4096)
    learningRate = reader.double("learning_rate", in: 0...1)
    scaleLearningRate = reader.double("scale_learning_rate", in: 0...1)
    biasLearningRate = reader.double("bias_learning_rate", in: 0...1)
    penalty = reader.double("penalty", in: 0...100)
    warmUp = reader.double("warm_up", in: 0...1)
    let exponents = reader.section("exponent")
    firstExponent = exponents?.double("first", in: 1...100) ?? 1
    lastExponent = exponents?.double("last", in: 1...100) ?? 1
    startTrust = reader.double("start_trust", in: 0...1)
    upstream = reader.choice("upstream")
    loss = reader.choice("loss")
    activations = reader.section("activations", or: "float").map(Recipe.StepLearning.init)
  }

  fileprivate func encode() -> ConfigurationValue {
    [
      "relaxation": .string(relaxation.rawValue), "iterations": .integer(iterations), "batch": .integer(batch),
      "learning_rate": .number(learningRate), "scale_learning_rate": .number(scaleLearningRate),
      "bias_learning_rate": .number(biasLearningRate), "penalty": .number(penalty), "warm_up": .number(warmUp),
      "exponent": ["first": .number(firstExponent), "last": .number(lastExponent)],
      "start_trust": .number(startTrust), "upstream": .string(upstream.rawValue), "loss": .string(loss.rawValue),
      "activations": activations.map { .map($0.entries) } ?? "float",
    ]
  }
}

extension Recipe.StepLearning {
  fileprivate init(_ reader: ConfigurationReader) {
    learningRate = reader.double("learning_rate", in: 0...1)
    drop = reader.double("drop", in: 0...1)
  }

  fileprivate var entries: [ConfigurationValue.Entry] {
    [.init("learning_rate", .number(learningRate)), .init("drop", .number(drop))]
  }
}

extension Recipe.ActivationLearning {
  fileprivate init(_ reader: ConfigurationReader) {
    scope = reader.choice("scope")
    iterations = reader.int("iterations", in: 1...1_000_000)
    batch = reader.int("batch", in: 1...4096)
    steps = Recipe.StepLearning(reader)
    power = reader.double("power", in: 1...8)
    loss = reader.choice("loss")
  }

  fileprivate func encode() -> ConfigurationValue {
    .map(
      [
        .init("scope", .string(scope.rawValue)), .init("iterations", .integer(iterations)),
        .init("batch", .integer(batch)),
      ] + steps.entries + [.init("power", .number(power)), .init("loss", .string(loss.rawValue))])
  }
}
