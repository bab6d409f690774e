import Graphs
import Tensors

/// A model's parameters as Floats, one at a time: those that are codes become the values that the codes stand for.
struct DequantizedWeights: WeightSource {
  let label: String
  let entries: [WeightEntry]
  private let model: Model
  private let codes: [String: QuantizedWeight]

  /// - Parameter label: what messages call them.
  init(_ model: Model, table: QuantizationTable, label: String) {
    self.label = label
    self.model = model
    codes = Dictionary(
      uniqueKeysWithValues: model.graph.layerWeights.compactMap { layer in
        table.weights[layer.path].map { (layer.parameter, $0) }
      })
    entries = model.graph.parameters.map { WeightEntry(name: $0.name, type: .f32, dims: $0.dims) }
      .sorted { $0.name < $1.name }
  }

  func entry(_ name: String) -> WeightEntry? { entries.first { $0.name == name } }

  func read(_ name: String, rows: Range<Int>?) throws -> StoredTensor {
    guard let whole = try codes[name]?.dequantized ?? model.parameter(name) else {
      preconditionFailure("no parameter called \(name)")
    }
    return StoredTensor(rows.map { whole.rows($0) } ?? whole)
  }
}
