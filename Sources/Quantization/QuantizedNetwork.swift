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

  /// The same network with float activations.
  var withFloatActivations: QuantizedNetwork {
    var network = self
    network.table.activations = [:]
    return network
  }
}
