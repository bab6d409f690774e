import Tensors

/// The index of a checkpoint in several files, as Hugging Face's libraries write it: which file holds which array, and how
/// many bytes all arrays have.
package struct ShardIndex: Sendable {
  /// `….safetensors.index.json`, or with a variant `….safetensors.index.fp16.json`.
  static func isIndex(_ name: String) -> Bool { name.hasSuffix(".json") && name.contains(".index.") }

  package let path: String
  /// File names by array.
  let files: [String: String]
  let totalSize: Int?

  package init(_ path: String) throws {
    guard case .map(let entries) = try JSON.read(path) else {
      throw FormatError.weights(path, .index(["no map of values"]))
    }
    var problems: [String] = []
    var files: [String: String] = [:]
    switch entries.first(where: { $0.key == "weight_map" })?.value {
    case .map(let map)?:
      for entry in map {
        guard case .string(let file) = entry.value, Self.isPlain(file) else {
          problems.append(
            "\(quoted(entry.key)): expected the name of a file beside the index, found \(entry.value.shown)")
          continue
        }
        files[entry.key] = file
      }
      if map.isEmpty { problems.append("weight_map is empty") }
    default: problems.append("no map weight_map")
    }
    if !problems.isEmpty { throw FormatError.weights(path, .index(problems)) }
    self.path = path
    self.files = files
    totalSize = Self.totalSize(entries)
  }

  private static func totalSize(_ entries: [ConfigurationValue.Entry]) -> Int? {
    guard case .map(let metadata)? = entries.first(where: { $0.key == "metadata" })?.value else { return nil }
    switch metadata.first(where: { $0.key == "total_size" })?.value {
    case .integer(let size)?: return size
    // Older writers added up in floating point.
    case .number(let size)?: return Int(exactly: size)
    default: return nil
    }
  }

  /// A name that stands in the index's own folder, whatever it says.
  private static func isPlain(_ name: String) -> Bool {
    !name.isEmpty && name != "." && name != ".." && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 < 0x20 }
  }
}

/// A checkpoint in several files, checked as a whole at opening: every file is there, every array stands where the index says and
/// nowhere else, and together they have the size it says.
package struct ShardedWeights: WeightSource {
  package let label: String
  package let entries: [WeightEntry]
  let paths: [String]
  /// What the first file is.
  let kind: ContainerKind
  private let shards: [String: any WeightSource]
  private let files: [String: String]

  package init(_ index: ShardIndex) throws {
    let folder = AtomicFile.split(index.path).folder
    let names = Set(index.files.values).sorted()
    let places = Dictionary(uniqueKeysWithValues: names.map { ($0, "\(folder)/\($0)") })
    let missing = names.filter { Folder.kind(of: places[$0] ?? "") != .file }
    if !missing.isEmpty {
      throw FormatError.weights(index.path, .index(missing.map { "the file \(quoted($0)) is not there" }))
    }
    let opened = try names.map { try WeightFile(InputFile(places[$0] ?? "")) }
    let shards = Dictionary(uniqueKeysWithValues: zip(names, opened.map(\.source)))
    try Self.check(index, shards)
    label = index.path
    paths = opened.map(\.path)
    kind = opened.first?.kind ?? .unknown
    self.shards = shards
    files = index.files
    entries = shards.values.flatMap(\.entries).sorted { $0.name < $1.name }
  }

  private static func check(_ index: ShardIndex, _ shards: [String: any WeightSource]) throws {
    var problems: [String] = []
    for (name, file) in index.files.sorted(by: { $0.key < $1.key }) where shards[file]?.entry(name) == nil {
      problems.append("\(quoted(name)) is not in \(quoted(file))")
    }
    var total = 0
    for (file, shard) in shards.sorted(by: { $0.key < $1.key }) {
      for entry in shard.entries {
        total += entry.byteCount
        if index.files[entry.name] != file {
          problems.append("\(quoted(file)) holds \(quoted(entry.name)), which is not listed there")
        }
      }
    }
    if problems.isEmpty, let expected = index.totalSize, expected != total {
      problems.append("total_size is \(expected), the arrays have \(total) bytes")
    }
    if !problems.isEmpty { throw FormatError.weights(index.path, .index(problems)) }
  }

  package func entry(_ name: String) -> WeightEntry? { files[name].flatMap { shards[$0]?.entry(name) } }

  package func read(_ name: String, rows: Range<Int>?) throws -> StoredTensor {
    guard let shard = files[name].flatMap({ shards[$0] }) else { preconditionFailure("no tensor \(name)") }
    return try shard.read(name, rows: rows)
  }
}
