import Graphs
import Tensors

/// The float network with what quantisation does to one layer alone, and to no other: what a layer's error is before others
/// add to it or cancel it.
package struct LayerIsolation: Sendable {
  /// Which operands of a layer are quantised.
  package enum Operand: Sendable { case weight, activations }

  private let float: Model
  private let quantized: Model
  private let table: QuantizationTable
  /// Layers and attention products with a quantised operand, and features that are looked up, in the order of the network.
  package let paths: [String]

  /// - Parameters: float: the network with its Float weights; quantized: the same with the biases that belong to `table`.
  package init(float: Model, quantized: Model, table: QuantizationTable) {
    self.float = float
    self.quantized = quantized
    self.table = table
    let sites = Set(table.activations.keys.map(\.node))
    let contractions = Set(GraphSummary(float.graph).contractions.map(\.path))
    var paths: [String] = []
    for node in float.graph.nodes {
      let own = node.sites.map(\.site.node) + (table.features[node.path] == nil ? [] : [node.path])
      for path in own where !paths.contains(path) {
        let isSite = contractions.contains(path) && (table.weights[path] != nil || sites.contains(path))
        if isSite || table.features[path] != nil { paths.append(path) }
      }
    }
    self.paths = paths
  }

  /// The network to compare with the float one; nil where the operand is float there. Scales that a layer's input shares with
  /// its weight belong to the weight's codes: such an input cannot be quantised without them, and both are, which
  /// `needsWeight` says.
  package func network(_ path: String, _ operand: Operand) -> QuantizedNetwork? {
    var network = QuantizedNetwork(model: float)
    switch operand {
    case .weight:
      guard let weight = table.weights[path] else { return nil }
      network.table.weights[path] = weight
      network.model = corrected(path)
    case .activations:
      network.table.activations = table.activations.filter { $0.key.node == path }
      network.table.features = table.features.filter { $0.key == path }
      if network.table.activations.isEmpty, network.table.features.isEmpty { return nil }
      if needsWeight(path) {
        network.table.weights[path] = table.weights[path]
        network.model = corrected(path)
      }
    }
    return network
  }

  /// Whether a layer's activations are quantised together with its weight.
  package func needsWeight(_ path: String) -> Bool { table.weights[path]?.inputScales != nil }

  /// The float network with the bias that belongs to a layer's codes.
  private func corrected(_ path: String) -> Model {
    guard let bias = float.graph.node(at: path)?.op.parameters.dropFirst().first,
      let value = quantized.parameters[bias]
    else { return float }
    return float.replacing([bias: value])
  }
}
