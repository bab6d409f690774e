import Graphs
import Synchronization
import Tensors

extension QuantizationTask {
  /// Bytes that the statistics of the layers in one pass over the samples may take: twice those of the network's weights, within
  /// bounds. Layers beyond it wait for another pass. Solving takes one more matrix of Doubles per thread, of the width of the
  /// layer it works on.
  package var statisticsMemory: Int {
    let weights = model.graph.parameters.reduce(0) { $0 + 4 * $1.dims.reduce(1, *) }
    return min(max(2 * weights, Self.leastStatisticsMemory), Self.mostStatisticsMemory)
  }

  private static let leastStatisticsMemory = 256 << 20
  private static let mostStatisticsMemory = 2 << 30

  /// Stage: integer codes of every weight that the recipe quantises, on ranges chosen per output channel, and biases that
  /// absorb the mean error of rounding if the recipe says so. Nothing is quantised when weights stay float.
  /// - Parameters: bits: of each weight, where not the recipe's; memory: bytes for statistics, which change no result; nil:
  ///   `statisticsMemory`.
  /// - Throws: `E-QUANT-WEIGHT` naming every weight with a value that is not finite.
  package func roundedWeights(
    bits: Int? = nil, memory: Int? = nil
  ) throws -> QuantizedNetwork {
    var network = QuantizedNetwork(model: model)
    guard var settings = recipe.weights else { return network }
    if let bits { settings.bits = bits }
    let layers = weightLayers(smoothing: try smoothingScales())
    let broken = try layers.filter { layer in try layer.weight.values.contains { !$0.isFinite } }.map(\.path)
    if !broken.isEmpty { throw QuantizationError.nonFiniteWeights(broken) }
    let watch: (samplesPerStep: Int?, products: Bool)?
    let rounds: [[WeightLayer]]
    switch settings.rounding {
    case .nearest:
      watch = settings.biasCorrection ? (nil, false) : nil
      rounds = [layers]
    case .gptq(let compensation):
      watch = (compensation.samplesPerStep, true)
      rounds = compensation.upstream == .float ? [layers] : layersByRegion(layers)
    }
    var done = 0
    for layersOfRound in rounds {
      // All groups of a round see the same network.
      let upstream = network
      for group in Self.groups(layersOfRound, products: watch?.products ?? false, memory: memory ?? statisticsMemory) {
        let statistics = try watch.map {
          try inputStatistics(of: group, in: upstream, samplesPerStep: $0.samplesPerStep, products: $0.products)
        }
        try progress(WorkProgress(stage: "rounding weights", unit: "layers", done: done, total: layers.count))
        try round(group, settings, statistics, into: &network)
        done += group.count
        try progress(WorkProgress(stage: "rounding weights", unit: "layers", done: done, total: layers.count))
      }
    }
    return network
  }

  /// Rounds layers that do not depend on each other.
  private func round(
    _ layers: [WeightLayer], _ settings: Recipe.Weights, _ statistics: InputStatistics?,
    into network: inout QuantizedNetwork
  ) throws {
    let results = Mutex<[Int: Result<RoundedLayer, any Error>]>([:])
    pool.parallel(layers.count) { index in
      let result = Result { try layers[index].rounded(settings, statistics) }
      results.withLock { $0[index] = result }
    }
    var biases: [String: Tensor] = [:]
    for (index, layer) in layers.enumerated() {
      let rounded = try results.withLock { try $0[index]?.get() }
      network.table.weights[layer.path] = rounded?.weight
      if let bias = layer.bias, let corrected = rounded?.bias { biases[bias] = corrected }
    }
    network.model = network.model.replacing(biases)
  }

  /// The layers whose weights the recipe quantises, in execution order.
  private func weightLayers(smoothing: [String: [Float]]) -> [WeightLayer] {
    let chosen = Set(selection.weights)
    return model.graph.nodes.compactMap { node in
      guard chosen.contains(node.path), let vectors = LayerVectors(of: node, in: model.graph) else { return nil }
      let bias = node.op.parameters.dropFirst().first
      return WeightLayer(
        node: node, vectors: vectors, model: model, bias: bias, biasValues: bias.flatMap { model.parameters[$0] },
        inputScales: smoothing[node.path], inputBoundaries: recipe.boundaries(of: node, in: model.graph))
    }
  }

  /// Neighbouring layers of one region each; a layer outside all regions is by itself.
  private func layersByRegion(_ layers: [WeightLayer]) -> [[WeightLayer]] {
    var rounds: [(region: Int?, layers: [WeightLayer])] = []
    for layer in layers {
      let region = model.graph.regions.firstIndex { $0.nodes.contains(layer.node.index) }
      if let region, rounds.last?.region == region {
        rounds[rounds.count - 1].layers.append(layer)
      } else {
        rounds.append((region, [layer]))
      }
    }
    return rounds.map(\.layers)
  }

  /// Neighbouring layers whose statistics fit into `memory` together; at least one each.
  private static func groups(_ layers: [WeightLayer], products: Bool, memory: Int) -> [[WeightLayer]] {
    var groups: [[WeightLayer]] = []
    var known = Set<LayerVectors>()
    var bytes = 0
    for layer in layers {
      let own = known.contains(layer.vectors) ? 0 : layer.vectors.statisticsBytes(products: products)
      if groups.isEmpty || bytes + own > memory {
        groups.append([])
        known = []
        bytes = 0
      }
      groups[groups.count - 1].append(layer)
      if known.insert(layer.vectors).inserted { bytes += layer.vectors.statisticsBytes(products: products) }
    }
    return groups
  }
}

/// A layer whose weight is to be rounded.
struct WeightLayer {
  let node: Node
  let vectors: LayerVectors
  /// Whose weight it is.
  let model: Model
  /// Name and values of the bias; nil where the layer has none, which leaves nothing to correct.
  let bias: String?
  let biasValues: Tensor?
  /// Per input channel, what the weight is multiplied by before it is rounded; nil: ones.
  let inputScales: [Float]?
  /// Input channels at which new ranges begin.
  let inputBoundaries: [Int]

  var path: String { node.path }

  /// Out channels first; read anew where it stays in its file.
  var weight: Tensor {
    get throws {
      guard let name = node.op.parameters.first, let weight = try model.parameter(name) else {
        preconditionFailure("\(path) has no weight")
      }
      return weight
    }
  }

  func rounded(_ settings: Recipe.Weights, _ statistics: InputStatistics?) throws -> RoundedLayer {
    let weight = try weight
    let taps = vectors.width / max(weight.dims[1], 1)
    let columnScales = inputScales.map { scales in (0..<vectors.width).map { Double(scales[$0 / taps]) } }
    let scaled = scaled(weight, taps: taps)
    let quantizer = settings.quantizer(for: scaled, splitAt: inputBoundaries.map { $0 * taps })
    let codes: [UInt8]
    switch (settings.rounding, statistics) {
    case (.gptq(let compensation), let statistics?):
      let moments = statistics.moments(vectors)
      let feedback =
        if let columnScales {
          try ErrorFeedback(
            moments: ScaledMoments(base: moments, scales: columnScales), damping: compensation.damping,
            order: compensation.order)
        } else {
          try ErrorFeedback(moments: moments, damping: compensation.damping, order: compensation.order)
        }
      codes = try feedback.codes(of: scaled, on: quantizer)
    case (.gptq, nil): preconditionFailure("\(path): error compensation without its layer's moments")
    case (.nearest, _):
      codes = quantizer.codes(scaled.values, channelStride: vectors.width, channelCount: weight.dims[0])
    }
    let result = QuantizedWeight(dims: weight.dims, quantizer: quantizer, codes: codes, inputScales: inputScales)
    guard settings.biasCorrection, let biasValues, let statistics else {
      return RoundedLayer(weight: result, bias: nil)
    }
    return RoundedLayer(
      weight: result, bias: corrected(biasValues, weight, for: result, mean: statistics.mean(vectors)))
  }

  /// The weight that is rounded: each input channel times its scale.
  private func scaled(_ weight: Tensor, taps: Int) -> Tensor {
    guard let inputScales else { return weight }
    return Tensor(
      weight.dims, weight.values.enumerated().map { $1 * inputScales[$0 % vectors.width / taps] })
  }

  /// b + (W - W^) E[x]: the bias that leaves the mean output as it was (Nagel et al. 2019, "Data-free quantization through
  /// weight equalization and bias correction", section 4.2, with the mean taken over calibration inputs).
  private func corrected(
    _ bias: Tensor, _ weight: Tensor, for rounded: QuantizedWeight, mean: [Double]
  ) -> Tensor {
    let result = rounded.dequantized.values
    return Tensor(
      bias.dims,
      bias.values.enumerated().map { row, value in
        var sum = Double(value)
        for (column, expected) in mean.enumerated() {
          let position = row * mean.count + column
          sum += (Double(weight.values[position]) - Double(result[position])) * expected
        }
        return Float(sum)
      })
  }
}

/// The moments of inputs that are divided by their columns' scales.
private struct ScaledMoments: SecondMoments {
  let base: GramMoments
  let scales: [Double]

  var order: Int { base.order }

  subscript(row: Int, column: Int) -> Double { base[row, column] / (scales[row] * scales[column]) }
}

struct RoundedLayer: Sendable {
  let weight: QuantizedWeight
  /// Corrected; nil where the bias stays as it is.
  let bias: Tensor?
}
