import Graphs
import Tensors

/// What a method makes, and what its stages hand on: the table of codes and quantisers, and the float model that it
/// belongs to, whose biases may have been corrected for the rounded weights.
package struct QuantizedNetwork: Sendable {
  package var model: Model
  package var table: QuantizationTable
  /// Of its predictions; nil: none.
  package var correction: NoiseCorrection?
  /// What a search for widths was based on; empty without a search.
  package var sensitivities: [LayerSensitivity] = []

  package init(model: Model, table: QuantizationTable = QuantizationTable()) {
    self.model = model
    self.table = table
  }

  /// What an artefact could not hold: scales that are no positive numbers with a reciprocal, parameters and corrections
  /// that are not finite.
  var unusableValues: [String] {
    func isUsable(_ scale: Float) -> Bool { scale > 0 && scale.isFinite && (1 / scale).isFinite }
    var places = table.weights.filter { !$0.value.quantizer.scales.allSatisfy(isUsable) }.map { "\($0.key): scales" }
    places += table.activations.filter { !$0.value.rows.allSatisfy { $0.scales.allSatisfy(isUsable) } }
      .map { "\($0.key): scales" }
    places += model.parameters.filter { !$0.value.values.allSatisfy(\.isFinite) }.map(\.key)
    for (step, row) in (correction?.rows ?? []).enumerated()
    where !([row.slope, row.variance] + row.bias).allSatisfy(\.isFinite) {
      places.append("correction of step \(step)")
    }
    for (node, feature) in table.features {
      if case .floats(let values) = feature.rows, !values.allSatisfy(\.isFinite) {
        places.append("\(node): kept feature")
      }
    }
    return places.sorted()
  }

  /// The same network with float activations.
  var withFloatActivations: QuantizedNetwork {
    var network = self
    network.table.activations = [:]
    return network
  }
}
