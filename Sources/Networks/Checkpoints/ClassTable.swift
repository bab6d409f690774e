import Tensors

/// The table of a `ClassEmbedder` in a file of weights: one array with a row for each class.
package enum ClassTable {
  /// What the array is called.
  package static let array = "embedding.weight"

  /// The rows. - Precondition: the array is there.
  /// - Throws: `WeightsError` for other types than floating-point ones, and for values that are not finite; what keeps the source from
  ///   being read.
  package static func rows(of source: any WeightSource) throws -> Tensor {
    let stored = try source.read(array, rows: nil)
    guard let table = stored.floats() else {
      throw WeightsError(file: source.label, problems: [.elementType(name: array, found: stored.type)])
    }
    if let position = table.values.firstIndex(where: { !$0.isFinite }) {
      throw WeightsError(
        file: source.label,
        problems: [
          .notFinite(
            name: array, value: table.values[position], position: position,
            count: table.values.count { !$0.isFinite })
        ])
    }
    return table
  }
}
