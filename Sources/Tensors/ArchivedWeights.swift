/// An archive in memory as a source of weights.
package struct ArchivedWeights: WeightSource {
  package let label: String
  package let entries: [WeightEntry]
  private let archive: TensorArchive

  /// - Parameter label: what messages call it.
  package init(_ archive: TensorArchive, label: String) {
    self.archive = archive
    self.label = label
    entries = archive.names.compactMap { name in
      archive.tensors[name].map { WeightEntry(name: name, type: $0.type, dims: $0.dims) }
    }
  }

  package func entry(_ name: String) -> WeightEntry? {
    archive.tensors[name].map { WeightEntry(name: name, type: $0.type, dims: $0.dims) }
  }

  package func read(_ name: String, rows: Range<Int>?) throws -> StoredTensor {
    guard let tensor = archive.tensors[name] else { preconditionFailure("no array called \(name)") }
    guard let rows else { return tensor }
    precondition(rows.lowerBound >= 0 && rows.upperBound <= tensor.dims.first ?? 0, "rows \(rows) of \(tensor.dims)")
    let rowBytes = tensor.dims.dropFirst().reduce(tensor.type.byteCount, *)
    return StoredTensor(
      type: tensor.type, dims: [rows.count] + tensor.dims.dropFirst(),
      bytes: Array(tensor.bytes[(rows.lowerBound * rowBytes)..<(rows.upperBound * rowBytes)]))
  }
}
