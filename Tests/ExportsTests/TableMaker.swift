import Graphs
import Networks
import Tensors
import TestSupport

/// Tables of some shape for a network: what an export has to write, not what serves the network well.
enum TableMaker {
  /// Every weight and every activation site of a network.
  /// - Parameters: bits: of weights; key: of activations at steps; rows: their number.
  static func table(
    for model: Model, bits: Int = 8, activationBits: Int = 8, key: ActivationQuantizers.Key = .shared, rows: Int = 1
  ) -> QuantizationTable {
    var table = QuantizationTable()
    for node in model.graph.nodes where node.op.facts.isLayer {
      guard let name = node.op.parameters.first, let weight = model.parameters[name] else { continue }
      table.weights[node.path] = quantized(weight, bits: bits)
    }
    for site in model.graph.sites where site.role != .weight && site.role != .output {
      let isSigned = site.role == .operand(1)
      let row = { (row: Int) in
        AffineQuantizer(
          bits: activationBits, scale: 0.02 * Float(row + 1),
          zeroPoint: isSigned ? 1 << (activationBits - 1) : (1 << (activationBits - 2)) + row)
      }
      table.activations[site] = ActivationQuantizers(key: key, rows: (0..<rows).map(row))
    }
    return table
  }

  /// A weight on a symmetric grid, a scale for each of its rows.
  static func quantized(_ weight: Tensor, bits: Int, boundaries: [Int] = []) -> QuantizedWeight {
    let (rows, length) = (weight.dims[0], weight.count / weight.dims[0])
    let stretches = boundaries.count + 1
    let scales = (0..<(rows * stretches)).map { Float($0 % 7 + 1) / Float(1 << (bits + 2)) }
    let quantizer = AffineQuantizer(
      bits: bits, granularity: boundaries.isEmpty ? .perChannel : .rowSplit(boundaries: boundaries), scales: scales,
      zeroPoints: [Int](repeating: 1 << (bits - 1), count: scales.count))
    return QuantizedWeight(
      dims: weight.dims, quantizer: quantizer,
      codes: quantizer.codes(weight.values, channelStride: length, channelCount: rows))
  }
}
