import Graphs
import Tensors

extension QuantizationTask {
  /// Stage: every temporal feature of the float network kept, nothing of the temporal block computed (Huang et al. 2024,
  /// "Temporal feature matters", cache-based maintenance). Before weights are learned, which then see the kept features.
  package func withKeptFeatures(_ network: QuantizedNetwork) throws -> QuantizedNetwork {
    guard case .kept(let bits) = recipe.temporalFeatures else { return network }
    return network.keeping(try features(of: QuantizedNetwork(model: model)).mapValues { try kept($0, bits: bits) })
  }

  /// Stage: of each temporal feature, what comes nearer to the float network's over all steps and classes: the quantised
  /// block's, its activations by finite set calibration, or the kept one (the same paper, disturbance-aware selection). Of
  /// equals the block's, which takes no memory. Before the rest is learned, which then sees what was chosen.
  ///
  /// Differs: the paper does not give its measure and granularity; here they are the recipe's, feature by feature.
  package func withSelectedFeatures(_ network: QuantizedNetwork) throws -> QuantizedNetwork {
    guard case .selected(let bits, let measure) = recipe.temporalFeatures else { return network }
    let float = try features(of: QuantizedNetwork(model: model))
    var block = network
    block.table.activations = try temporalRanges(network)
    let quantised = try features(of: block)
    var chosen: [String: KeptFeature] = [:]
    for (path, expected) in float {
      guard let found = quantised[path] else { continue }
      let kept = try kept(expected, bits: bits)
      let rows = expected.calls.map { kept.values(stepIndex: $0.step, label: $0.label) }
      if measure.disturbance(rows, from: expected.rows) < measure.disturbance(found.rows, from: expected.rows) {
        chosen[path] = kept
      }
    }
    return network.keeping(chosen)
  }

  /// A temporal feature over the finite set of calls.
  private struct Feature {
    let path: String
    let key: ActivationQuantizers.Key
    let calls: [ReconstructionSamples.Call]
    let rows: [[Float]]
  }

  /// Every temporal feature of a network, by path.
  private func features(of network: QuantizedNetwork) throws -> [String: Feature] {
    let graph = model.graph
    let samples = ReconstructionSamples(steps: set.provenance.steps, classes: graph.classCount)
    let values = SampleValues(keys: samples.keys, keyCount: samples.distinct.count)
    try SegmentPasses(batch: Self.featureBatch, pool: pool, samples: samples).runTemporal(network, into: values)
    let byLabel = Set(graph.labelDependentPaths)
    var found: [String: Feature] = [:]
    for index in graph.temporalFeatures {
      let node = graph.nodes[index]
      let isByLabel = byLabel.contains(node.path)
      let chosen = samples.distinct.indices.filter { isByLabel || (samples.distinct[$0].label ?? 0) == 0 }
      found[node.path] = Feature(
        path: node.path, key: isByLabel ? .stepAndLabel(classCount: graph.classCount ?? 1) : .step,
        calls: chosen.map { samples.distinct[$0] },
        rows: chosen.map { Array(UnsafeBufferPointer(start: values.sharedRow(index, key: $0), count: node.count)) })
    }
    return found
  }

  private static let featureBatch = 16

  /// The feature as it is stored: each row on the grid from its least to its largest value.
  private func kept(_ feature: Feature, bits: Int) throws(QuantizationError) -> KeptFeature {
    let width = feature.rows[0].count
    let rule = GridRule(.activation, bits: min(bits, 8), symmetric: false, estimator: .minMax)
    var codes: [UInt8] = []
    var quantizers: [AffineQuantizer] = []
    for (call, row) in zip(feature.calls, feature.rows) {
      guard let range = ValueRange(of: row) else {
        throw .nonFiniteActivations(step: call.step, work: "temporal features were kept", sites: [feature.path])
      }
      let quantizer = rule.quantizer(range)
      quantizers.append(quantizer)
      codes += quantizer.codes(row, channelStride: 1, channelCount: width)
    }
    return KeptFeature(
      key: feature.key, width: width,
      rows: bits > 8 ? .floats(feature.rows.flatMap { $0 }) : .codes(codes, quantizers))
  }
}

extension QuantizedNetwork {
  /// The network with some temporal features looked up, and without the codes of layers that nobody needs then.
  func keeping(_ features: [String: KeptFeature]) -> QuantizedNetwork {
    var network = self
    network.table.features = features
    let idle = Set(model.graph.idleNodes(keeping: features.keys).map { model.graph.nodes[$0].path })
    network.table.weights = table.weights.filter { !idle.contains($0.key) }
    network.table.activations = table.activations.filter { !idle.contains($0.key.node) }
    return network
  }
}

extension Recipe.Disturbance {
  /// Mean over the rows of how far each is from the float network's.
  func disturbance(_ rows: [[Float]], from expected: [[Float]]) -> Double {
    var total = 0.0
    for (found, expected) in zip(rows, expected) {
      var (product, square, expectedSquare, distance) = (0.0, 0.0, 0.0, 0.0)
      for (a, b) in zip(found, expected) {
        product += Double(a) * Double(b)
        square += Double(a) * Double(a)
        expectedSquare += Double(b) * Double(b)
        distance += (Double(a) - Double(b)) * (Double(a) - Double(b))
      }
      switch self {
      case .relativeError: total += expectedSquare > 0 ? distance / expectedSquare : 0
      case .cosine: total += expectedSquare > 0 && square > 0 ? 1 - product / (square * expectedSquare).squareRoot() : 0
      }
    }
    return total / Double(max(rows.count, 1))
  }
}
