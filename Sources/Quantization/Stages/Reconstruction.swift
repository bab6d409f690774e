import Graphs
import Tensors

extension QuantizationTask {
  /// One walk through the network that learns something.
  private struct Walk {
    let learning: RegionLearning
    let units: [ReconstructionUnit]
    /// Of its first unit among all of the recipe's reconstruction.
    let firstNumber: Int
  }

  /// The recipe's, in the order they are made; number 0 is the temporal block's.
  private var walks: [Walk] {
    guard let settings = recipe.reconstruction else { return [] }
    let graph = model.graph
    var walks: [Walk] = []
    func add(_ learning: RegionLearning, _ units: [ReconstructionUnit]) {
      let next = walks.last.map { $0.firstNumber + $0.units.count } ?? 1
      walks.append(Walk(learning: learning, units: units, firstNumber: next))
    }
    if let blocks = settings.blocks { add(RegionLearning(blocks), graph.reconstructionUnits) }
    if let network = settings.network { add(RegionLearning(network), [graph.networkUnit]) }
    if let steps = settings.activationSteps {
      add(RegionLearning(steps), steps.scope == .blocks ? graph.reconstructionUnits : [graph.networkUnit])
    }
    return walks
  }

  /// Stage: everything that is learned by gradients: the temporal block, then the rest.
  package func reconstructed(_ network: QuantizedNetwork) throws -> QuantizedNetwork {
    try reconstructedBlocks(reconstructedTemporalBlock(network))
  }

  /// Stage: what is learned of everything that an image passes through: the rounding of weights block by block (BRECQ: Li
  /// et al. 2021; AdaRound: Nagel et al. 2020), so that each block's output comes near the float network's although its
  /// inputs come from the blocks quantised before it; the same on the network's output; the steps of activations with them
  /// (QDrop: Wei et al. 2022) or afterwards (LSQ: Esser et al. 2020).
  ///
  /// In execution order every calibration sample passes through both networks once. The temporal block's results are one
  /// row per call.
  /// - Parameter network: weights as they were rounded first; activations are float.
  /// - Returns: the network with activations' quantisers where learning needed them.
  /// - Throws: `E-RECON-MEMORY` before any work when the kept values exceed the recipe's bound and there is no folder for
  ///   them, or a batch alone exceeds it.
  package func reconstructedBlocks(_ network: QuantizedNetwork) throws -> QuantizedNetwork {
    guard let settings = recipe.reconstruction, !network.table.weights.isEmpty else { return network }
    let samples = try ReconstructionSamples(set, perStep: settings.samplesPerStep)
    let isSpilling = try checkMemory(samples)
    var network = network
    for (walk, isSpilling) in zip(walks, isSpilling) {
      if walk.learning.activations != nil { network = try withActivations(network) }
      network = try reconstructed(network, walk, samples, folder: isSpilling ? folder : nil)
    }
    return network
  }

  /// By walk: whether its values exceed the recipe's bound, and lie in the task's folder.
  private func checkMemory(_ samples: ReconstructionSamples) throws -> [Bool] {
    guard let settings = recipe.reconstruction else { return [] }
    let quantizedInputs = Set(
      selection.activations.filter { $0.role == .input }.compactMap { model.graph.node(at: $0.node)?.index })
    let bound = settings.memory << 20
    return try walks.map { walk in
      let needed = ReconstructionFrontier(walk.units, graph: model.graph, samples: samples).bytes(
        batch: walk.learning.batch, quantized: walk.learning.activations == nil ? [] : quantizedInputs)
      if needed.all > bound, folder == nil || needed.executor > bound {
        let fitting = folder == nil ? settings.samplesPerStep * bound / needed.all : 0
        throw QuantizationError.reconstructionMemory(
          needed: needed.all, bound: bound, samplesPerStep: settings.samplesPerStep, fitting: fitting)
      }
      return needed.all > bound
    }
  }

  /// Stage: the activations' quantisers, where reconstruction has not needed them already.
  package func withActivations(_ network: QuantizedNetwork) throws -> QuantizedNetwork {
    var network = network
    if network.table.activations.isEmpty { network.table.activations = try chosenActivations(network) }
    return network.table.features.isEmpty ? network : network.keeping(network.table.features)
  }

  /// Stage: temporal information aware reconstruction (Huang et al. 2024, section 3.2): the weights of the temporal block
  /// learned jointly on all temporal features, over every sampling step and class, before any other block. The samples are
  /// the finite set itself; activations are float.
  /// - Throws: as `reconstructedBlocks`, before this work too.
  package func reconstructedTemporalBlock(_ start: QuantizedNetwork) throws -> QuantizedNetwork {
    guard let settings = recipe.reconstruction, let temporal = settings.temporalBlock,
      let unit = model.graph.temporalUnit
    else { return start }
    let learning = RegionLearning(temporal)
    guard learning.concerns(unit, of: start) else { return start }
    _ = try checkMemory(ReconstructionSamples(set, perStep: settings.samplesPerStep))
    let samples = ReconstructionSamples(steps: set.provenance.steps, classes: model.graph.classCount)
    let float = SampleValues(keys: samples.keys, keyCount: samples.distinct.count)
    try SegmentPasses(batch: learning.batch, pool: pool, samples: samples).runTemporal(
      QuantizedNetwork(model: model), into: float)
    var network = start
    network.apply(
      try region(0, unit.name, of: network) { iteration in
        try progress(
          WorkProgress(
            stage: "reconstructing \(unit.name)", unit: "iterations", done: iteration, total: learning.iterations,
            isKept: journal != nil))
      } _: {
        try RegionReconstruction(
          unit, of: start, learning, interval: 1, seed: UInt64(recipe.calibration.seed), number: 0,
          samples: samples, float: float, quantized: float, pool: pool)
      })
    return network
  }

  /// One walk through the network, unit by unit.
  private func reconstructed(
    _ start: QuantizedNetwork, _ walk: Walk, _ samples: ReconstructionSamples, folder: String?
  ) throws -> QuantizedNetwork {
    let (learning, units) = (walk.learning, walk.units)
    var network = start
    // Blocks pass quickly one by one; a network takes as long as all samples through it.
    let passed: ((Int) throws -> Void)? =
      units.count > 1
      ? nil
      : { done in
        try progress(
          WorkProgress(
            stage: "passing samples through \(units[0].name)", unit: "samples", done: done, total: samples.count))
      }
    let values = WalkValues(
      units, learning, of: model, set: set, samples, folder: folder, pool: pool, progress: passed)
    let learned = units.count { learning.concerns($0, of: network) }
    var done = 0
    for position in order(of: units) where learning.concerns(units[position], of: network) {
      let (unit, current, first, number) = (units[position], network, done, walk.firstNumber + position)
      try values.reach(position, network)
      network.apply(
        try region(number, unit.name, of: network) { iteration in
          try progress(
            WorkProgress(
              stage: learning.weights == nil ? "learning steps of \(unit.name)" : "reconstructing \(unit.name)",
              unit: "iterations", done: first + iteration, total: learned * learning.iterations, isKept: journal != nil)
          )
        } _: {
          try RegionReconstruction(
            unit, of: current, learning, interval: recipe.tableInterval, seed: UInt64(recipe.calibration.seed),
            number: number, samples: samples, float: values.expected, quantized: values.quantized, pool: pool)
        })
      done += learning.iterations
      try values.leave(position, network)
    }
    return network
  }

  /// Positions of units in the order that the recipe reconstructs them.
  private func order(of units: [ReconstructionUnit]) -> [Int] {
    switch recipe.reconstruction?.order {
    case .definition: units.definitionOrder
    case .execution, nil: Array(units.indices)
    }
  }
}

extension QuantizedNetwork {
  func weight(at node: Int) -> QuantizedWeight? { table.weights[model.graph.nodes[node].path] }

  func input(at node: Int) -> ActivationQuantizers? {
    table.activations[Site(node: model.graph.nodes[node].path, role: .input)]
  }

  /// The float model that the quantised weights of some nodes stand for.
  func dequantized(_ nodes: [Int]) -> Model {
    var weights: [String: Tensor] = [:]
    for index in nodes {
      let node = model.graph.nodes[index]
      if let weight = table.weights[node.path], let name = node.op.parameters.first {
        weights[name] = weight.dequantized
      }
    }
    return model.replacing(weights)
  }
}
