import Models
import Tensors

extension QuantizationTask {
  /// Stage: the rounding of weights learned block by block in execution order (BRECQ: Li et al. 2021; AdaRound: Nagel et
  /// al. 2020), so that each block's output comes near the float network's although its inputs come from the blocks
  /// quantised before it.
  ///
  /// Every calibration sample passes through both networks once: values that later blocks read are kept, none is computed
  /// twice. The temporal block's results are one row per (timestep, label).
  /// - Parameter network: weights as they were rounded first; activations are float.
  /// - Throws: `E-RECON-MEMORY` before any work when the kept values exceed the recipe's bound.
  package func reconstructedWeights(_ network: QuantizedNetwork) throws -> QuantizedNetwork {
    guard let settings = recipe.reconstruction, !network.table.weights.isEmpty else { return network }
    let plans = [
      settings.blocks.map { ($0, model.graph.reconstructionUnits) },
      settings.network.map { ($0, [model.graph.networkUnit]) },
    ].compactMap { $0 }
    let samples = try ReconstructionSamples(set, perStep: settings.samplesPerStep)
    for (learning, units) in plans {
      let needed = ReconstructionFrontier(units, graph: model.graph, samples: samples).bytes(batch: learning.batch)
      guard needed <= settings.memory << 20 else {
        throw QuantizationError.reconstructionMemory(
          needed: needed, bound: settings.memory << 20, samplesPerStep: settings.samplesPerStep,
          fitting: settings.samplesPerStep * (settings.memory << 20) / needed)
      }
    }
    var network = network
    var number = 1
    if let learning = settings.temporalBlock {
      network = try reconstructedTemporalBlock(network, learning, number: 0)
    }
    for (learning, units) in plans {
      network = try reconstructed(network, units, learning, samples, firstNumber: number)
      number += units.count
    }
    return network
  }

  /// Temporal information aware reconstruction (Huang et al. 2024, section 3.2): the weights of the temporal block learned
  /// jointly on all temporal features, over every sampling step and class, before any other block. The samples are the
  /// finite set itself; activations are float.
  private func reconstructedTemporalBlock(
    _ start: QuantizedNetwork, _ learning: Recipe.Learning, number: Int
  ) throws -> QuantizedNetwork {
    guard let unit = model.graph.temporalUnit, unit.segment.nodes.contains(where: { start.weight(at: $0) != nil })
    else { return start }
    let samples = ReconstructionSamples(steps: set.provenance.steps, classes: model.graph.classCount)
    let float = SampleValues(keys: samples.keys, keyCount: samples.distinct.count)
    try SegmentPasses(batch: learning.batch, pool: pool).runTemporal(
      QuantizedNetwork(model: model), samples, into: float)
    var network = start
    network.apply(
      try region(number, unit.name, of: network) {
        try RegionReconstruction(
          unit, of: start, settings: learning, seed: UInt64(recipe.calibration.seed), number: number,
          steps: samples.steps, float: float, quantized: float, pool: pool
        ).run { iteration in
          try progress(
            WorkProgress(
              stage: "reconstructing \(unit.name)", unit: "iterations", done: iteration, total: learning.iterations))
        }
      })
    return network
  }

  /// One walk through the network, unit by unit.
  private func reconstructed(
    _ start: QuantizedNetwork, _ units: [ReconstructionUnit], _ learning: Recipe.Learning,
    _ samples: ReconstructionSamples, firstNumber: Int
  ) throws -> QuantizedNetwork {
    var network = start
    let frontier = ReconstructionFrontier(units, graph: model.graph, samples: samples)
    let float = SampleValues(keys: samples.keys, keyCount: samples.distinct.count)
    let quantized = SampleValues(keys: samples.keys, keyCount: samples.distinct.count)
    let passes = SegmentPasses(batch: learning.batch, pool: pool)
    try loadImages(samples, into: float)
    try loadImages(samples, into: quantized)
    try passes.runTemporal(QuantizedNetwork(model: model), samples, into: float)
    try passes.runTemporal(network, samples, into: quantized)
    let learned = units.count { unit in unit.segment.nodes.contains { network.weight(at: $0) != nil } }
    var done = 0
    for (number, unit) in units.enumerated() {
      try passes.run(unit, QuantizedNetwork(model: model), values: float)
      if unit.segment.nodes.contains(where: { network.weight(at: $0) != nil }) {
        let (first, current) = (done, network)
        network.apply(
          try region(firstNumber + number, unit.name, of: network) {
            try RegionReconstruction(
              unit, of: current, settings: learning, seed: UInt64(recipe.calibration.seed),
              number: firstNumber + number, steps: samples.steps, float: float, quantized: quantized, pool: pool
            ).run { iteration in
              try progress(
                WorkProgress(
                  stage: "reconstructing \(unit.name)", unit: "iterations", done: first + iteration,
                  total: learned * learning.iterations))
            }
          })
        done += learning.iterations
      }
      if number < units.count - 1 { try passes.run(unit, network, values: quantized) }
      for node in frontier.finished(after: number) {
        float.release(node)
        quantized.release(node)
      }
    }
    return network
  }

  /// The images of all samples, channels-last.
  private func loadImages(_ samples: ReconstructionSamples, into values: SampleValues) throws {
    guard let image = model.graph.nodes.first(where: { $0.op == .image }) else { return }
    let shape = model.graph.imageShape
    try values.reserve(image.index, size: shape.count, shared: false)
    var next = 0
    for slice in samples.slices {
      let x = try set.samples(step: slice.step, slice.range).x
      x.values.withUnsafeBufferPointer { x in
        for row in 0..<slice.range.count {
          ChannelsLast.write(
            from: x.baseAddress! + row * shape.count, channels: shape.channels, pixels: shape.height * shape.width,
            to: values.row(image.index, next + row))
        }
      }
      next += slice.range.count
    }
  }
}

extension QuantizedNetwork {
  func weight(at node: Int) -> QuantizedWeight? { table.weights[model.graph.nodes[node].path] }

  /// The float model that the quantised weights of some nodes stand for.
  func dequantized(_ nodes: [Int]) -> Model {
    var parameters = model.parameters
    for index in nodes {
      let node = model.graph.nodes[index]
      if let weight = table.weights[node.path], let name = node.op.parameters.first {
        parameters[name] = weight.dequantized
      }
    }
    return Model(graph: model.graph, parameters: parameters)
  }
}
