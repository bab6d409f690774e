import Tensors

/// The tensors of one map of a checkpoint, whose full names are the path to the map and these names, joined with points.
package struct WeightTable: Sendable, Equatable {
  /// Keys of the maps (and positions in the lists) around it, the outermost first; empty for the outermost map itself.
  package let path: [String]
  package let names: [String]

  package init(path: [String], names: [String]) {
    self.path = path
    self.names = names
  }
}

/// A container of weights, opened by what its bytes are.
package struct WeightFile: Sendable {
  package let source: any WeightSource
  package let kind: ContainerKind
  /// Every array of `source`, map by map.
  package let tables: [WeightTable]
  /// What the container holds beside arrays, by name; it is not read.
  package let ignored: [String]
  package let metadata: [String: String]
  /// The files that were opened: the container, or an index and its shards.
  package let paths: [String]

  package var path: String { source.label }

  /// Opens a file: safetensors, a PyTorch checkpoint, or the index of several of them (`….index.json`).
  package init(_ path: String) throws {
    if ShardIndex.isIndex(AtomicFile.split(path).name) {
      try self.init(ShardIndex(path))
    } else {
      try self.init(InputFile(path))
    }
  }

  package init(_ file: InputFile) throws {
    let kind = try ContainerKind(file)
    switch kind {
    case .safetensors, .unknown:
      let safetensors = try SafetensorsFile(file)
      self.init(safetensors, kind: kind, metadata: safetensors.metadata, paths: [file.path])
    case .torchZip, .torchLegacy, .damagedZip:
      let checkpoint = try PyTorchFile(file)
      self.init(
        checkpoint, kind: kind, metadata: [:], paths: [file.path], tables: checkpoint.tables,
        ignored: checkpoint.ignored)
    default: throw FormatError.weights(file.path, .kind(kind))
    }
  }

  private init(_ index: ShardIndex) throws {
    let shards = try ShardedWeights(index)
    self.init(shards, kind: shards.kind, metadata: [:], paths: [index.path] + shards.paths)
  }

  /// - Parameter tables: nil for a container that has no maps within it.
  private init(
    _ source: any WeightSource, kind: ContainerKind, metadata: [String: String], paths: [String],
    tables: [WeightTable]? = nil, ignored: [String] = []
  ) {
    self.source = source
    self.kind = kind
    self.tables = tables ?? [WeightTable(path: [], names: source.entries.map(\.name))]
    self.ignored = ignored
    self.metadata = metadata
    self.paths = paths
  }
}
