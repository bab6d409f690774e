/// What a container says about one of its arrays before it is read.
package struct WeightEntry: Sendable, Equatable {
  package let name: String
  package let type: ElementType
  package let dims: [Int]

  package init(name: String, type: ElementType, dims: [Int]) {
    self.name = name
    self.type = type
    self.dims = dims
  }

  package var count: Int { dims.reduce(1, *) }
  package var byteCount: Int { count * type.byteCount }
}

/// Named arrays that are read when they are asked for, whatever container holds them. A network's weights come from one:
/// no more than one array need be in memory beside what has been made of those before.
package protocol WeightSource: Sendable {
  /// What messages call the source: usually the path of its file.
  var label: String { get }
  /// Every array, sorted by name.
  var entries: [WeightEntry] { get }
  /// What is known of the array called `name`; nil when there is none.
  func entry(_ name: String) -> WeightEntry?
  /// The array called `name`.
  /// - Parameter rows: the rows of the first axis to read; nil for all of them.
  /// - Precondition: `entry(name)` exists, and `rows` lie within its first axis.
  /// - Throws: what keeps the container from being read.
  func read(_ name: String, rows: Range<Int>?) throws -> StoredTensor
}

extension WeightSource {
  package func read(_ name: String) throws -> StoredTensor { try read(name, rows: nil) }
}

extension TensorArchive {
  /// What the archive holds, sorted by name.
  package var entries: [WeightEntry] {
    tensors.sorted { $0.key < $1.key }.map { WeightEntry(name: $0, type: $1.type, dims: $1.dims) }
  }

  /// All arrays of a source, in memory; the source refuses what does not fit there.
  package init(reading source: some WeightSource) throws {
    self.init()
    for entry in source.entries { tensors[entry.name] = try source.read(entry.name) }
  }
}
