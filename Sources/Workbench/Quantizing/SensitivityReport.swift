import Graphs
import Quantization
import Tensors

/// Why a mixed-precision network has the widths it has: per layer, what narrower operands would cost the output.
struct SensitivityReport {
  private struct Row {
    let sensitivity: LayerSensitivity
    let weight: Int
    let activation: Int
  }

  private let rows: [Row]
  private let weightBits: [Int]
  private let activationBits: [Int]

  init(_ network: QuantizedNetwork, graph: Graph) {
    rows = network.sensitivities.map { sensitivity in
      let site = Site(node: sensitivity.path, role: .input)
      return Row(
        sensitivity: sensitivity,
        weight: network.table.weights[sensitivity.path]?.quantizer.bits ?? Recipe.MixedPrecision.float,
        activation: network.table.activations[site]?.rows[0].bits ?? Recipe.MixedPrecision.float)
    }
    weightBits = Set(rows.flatMap(\.sensitivity.weight.keys)).sorted(by: >)
    activationBits = Set(rows.flatMap(\.sensitivity.activation.keys)).sorted(by: >)
  }

  var table: Table {
    var table = Table(
      [("layer", .left), ("chosen", .left)] + weightBits.map { ("W\($0)", .right) }
        + activationBits.map { ("A\($0)", .right) })
    for row in rows {
      table.add(
        [row.sensitivity.path, "W\(row.weight)A\(row.activation)"]
          + weightBits.map { Self.shown(row.sensitivity.weight[$0]) }
          + activationBits.map { Self.shown(row.sensitivity.activation[$0]) })
    }
    return table
  }

  var legend: String {
    "Millionths: mean squared deviation of the network's output from the float network's, beyond that at the widest "
      + "choice, with this operand of this layer alone at this width. 32 is float."
  }

  private static func shown(_ error: Double?) -> String { error.map { fixed($0 * 1e6, 2) } ?? "" }

  var value: ConfigurationValue {
    func errors(_ errors: [Int: Double]) -> ConfigurationValue {
      .map(errors.sorted { $0.key > $1.key }.map { .init(String($0.key), .number($0.value)) })
    }
    return [
      "schema": 1,
      "layers": .list(
        rows.map { row in
          [
            "path": .string(row.sensitivity.path), "weight_bits": .integer(row.weight),
            "activation_bits": .integer(row.activation), "weight_errors": errors(row.sensitivity.weight),
            "activation_errors": errors(row.sensitivity.activation),
          ]
        }),
    ]
  }
}
