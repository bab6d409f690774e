import Diffusion
import Formats
import Graphs
import Quantization
import Tensors

/// Everything quantised of a network as NumPy arrays, one number an element whatever the artefact packs: codes, scales, zero points, what they
/// depend on, and the parameters that stay float (docs/formats/quantised-model.md).
struct CodesArchive {
  private let network: ExportedNetwork

  init(_ network: ExportedNetwork) { self.network = network }

  private var table: QuantizationTable { network.table }

  var summary: ConfigurationValue {
    [
      "weights": .integer(table.weights.count), "activations": .integer(table.activations.count),
      "features": .integer(table.features.count), "parameters": .integer(network.model.parameters.count),
    ]
  }

  func write(to path: String) throws {
    try NPZ.write(to: path) { writer in
      for (layer, weight) in table.weights.sorted(by: { $0.key < $1.key }) { try add(weight, of: layer, to: writer) }
      for (site, quantizers) in table.activations.sorted(by: { $0.key < $1.key }) {
        try add(quantizers, at: site, to: writer)
      }
      for (node, feature) in table.features.sorted(by: { $0.key < $1.key }) {
        let values = (0..<feature.rowCount).flatMap(feature.values(ofRow:))
        try writer.add(
          "features/\(node)", StoredTensor(Tensor([feature.rowCount, feature.width], values)))
      }
      for (name, tensor) in network.model.parameters.sorted(by: { $0.key < $1.key }) {
        try writer.add("parameters/\(name)", StoredTensor(tensor))
      }
    }
  }

  private func add(_ weight: QuantizedWeight, of layer: String, to writer: NPZWriter) throws {
    let prefix = "weights/\(layer)/"
    try writer.add(prefix + "codes", StoredTensor(dims: weight.dims, weight.codes))
    try add([weight.quantizer], stretches: weight.quantizer.stretches, prefix, to: writer)
    if let scales = weight.inputScales {
      try writer.add(prefix + "input_scales", StoredTensor(Tensor([scales.count], scales)))
    }
  }

  private func add(_ quantizers: ActivationQuantizers, at site: Site, to writer: NPZWriter) throws {
    let prefix = "activations/\(site)/"
    try add(quantizers.rows, stretches: quantizers.rows[0].scales.count, prefix, to: writer)
    switch quantizers.key {
    case .shared, .step: break
    case .stepAndLabel(let classes): try writer.add(prefix + "classes", StoredTensor(dims: [], [Int64(classes)]))
    case .branch, .stepAndBranch:
      try writer.add(prefix + "branches", StoredTensor(dims: [], [Int64(GuidanceBranch.allCases.count)]))
    }
    if quantizers.areNumerators { try writer.add(prefix + "numerators", StoredTensor(dims: [], [Int64(1)])) }
  }

  /// Scales and zero points, a row per quantiser (of a weight: per output channel), a column per stretch.
  private func add(
    _ rows: [AffineQuantizer], stretches: Int, _ prefix: String, to writer: NPZWriter
  ) throws {
    let scales = rows.flatMap(\.scales)
    let dims = [scales.count / stretches, stretches]
    try writer.add(prefix + "scales", StoredTensor(Tensor(dims, scales)))
    try writer.add(
      prefix + "zero_points", StoredTensor(dims: dims, rows.flatMap { $0.zeroPoints.map { Int16(clamping: $0) } }))
    try writer.add(prefix + "bits", StoredTensor(dims: [], [Int64(rows[0].bits)]))
    let boundaries = rows[0].boundaries
    if !boundaries.isEmpty {
      try writer.add(prefix + "boundaries", StoredTensor(dims: [boundaries.count], boundaries.map(Int64.init)))
    }
  }
}

extension AffineQuantizer {
  /// Of a weight: how many scales a row has.
  fileprivate var stretches: Int {
    if case .rowSplit(let boundaries) = granularity { boundaries.count + 1 } else { 1 }
  }
}
