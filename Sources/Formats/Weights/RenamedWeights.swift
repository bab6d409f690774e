import Tensors

/// Some arrays of another source, under other names.
package struct RenamedWeights: WeightSource {
  package let label: String
  package let entries: [WeightEntry]
  private let base: any WeightSource
  /// What the other source calls each array.
  private let names: [String: String]

  /// - Parameter names: the other source's name by the new one.
  /// - Precondition: the other source has every array.
  init(label: String, _ base: any WeightSource, names: [String: String]) {
    self.label = label
    self.base = base
    self.names = names
    entries = names.map { name, original in
      guard let entry = base.entry(original) else { preconditionFailure("no tensor \(original)") }
      return WeightEntry(name: name, type: entry.type, dims: entry.dims)
    }.sorted { $0.name < $1.name }
  }

  /// What the container calls the array `name`; nil when there is none.
  package func original(_ name: String) -> String? { names[name] }

  package func entry(_ name: String) -> WeightEntry? {
    names[name].flatMap(base.entry).map { WeightEntry(name: name, type: $0.type, dims: $0.dims) }
  }

  package func read(_ name: String, rows: Range<Int>?) throws -> StoredTensor {
    guard let original = names[name] else { preconditionFailure("no tensor \(name)") }
    return try base.read(original, rows: rows)
  }
}
