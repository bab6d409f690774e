import Tensors

/// A PyTorch checkpoint (`.pth`, `.pt`, `.ckpt`, `.bin`): the pickle that describes its tensors is read as data (`PickleMachine`) at
/// opening, the elements of each tensor from the disk when asked for.
///
/// torch.save writes a ZIP since 1.6, with the pickle in `NAME/data.pkl` and elements in `NAME/data/KEY`, NAME being the file's own
/// at that time; before that, pickles and elements one after another (`PyTorchFile+Legacy`).
package struct PyTorchFile: WeightSource {
  /// Sorted by name. Tensors in maps and lists within the outermost one are called by path and key, joined with points.
  package let entries: [WeightEntry]
  /// The same tensors, map by map, each in the order of the file.
  package let tables: [WeightTable]
  /// What stands in the file beside tensors, by name; not read.
  package let ignored: [String]
  private let tensors: [String: PickleTensor]
  private let storages: PyTorchStorages

  package var path: String { storages.file.path }
  package var label: String { path }
  package var names: [String] { entries.map(\.name) }

  package init(_ path: String) throws { try self.init(InputFile(path)) }

  package init(_ file: InputFile) throws {
    do {
      let kind = try ContainerKind(file)
      let (contents, storages) = try kind == .torchLegacy ? Self.legacy(file) : Self.zipped(file, kind)
      tables = contents.tables
      ignored = contents.ignored
      tensors = contents.tensors
      self.storages = storages
      entries = tensors.map { WeightEntry(name: $0, type: $1.storage.type, dims: $1.dims) }.sorted { $0.name < $1.name }
      try storages.check(tensors)
    } catch let problem as PyTorchProblem {
      throw FormatError.pytorch(file.path, problem)
    }
  }

  private static func zipped(_ file: InputFile, _ kind: ContainerKind) throws -> (PickleContents, PyTorchStorages) {
    guard kind.isZip else { throw PyTorchProblem.kind(kind) }
    let archive = try ZipArchive(file)
    let pickles = archive.members.filter { $0.name.hasSuffix("/data.pkl") }
    guard pickles.count == 1, let pickle = pickles.first else { throw PyTorchProblem.kind(try ContainerKind(file)) }
    let prefix = String(pickle.name.dropLast("data.pkl".utf8.count))
    if let order = archive.members.first(where: { $0.name == prefix + "byteorder" }) {
      guard order.size == 6, try archive.stream(order).read(6) == Array("little".utf8) else {
        throw PyTorchProblem.byteOrder
      }
    }
    guard pickle.size <= PickleMachine.sizeLimit else {
      throw PyTorchProblem.limit("the pickle has \(pickle.size) bytes", limit: PickleMachine.sizeLimit)
    }
    let machine = try PickleMachine(pickle.size == 0 ? [] : archive.stream(pickle).read(pickle.size))
    guard machine.position == pickle.size else {
      throw PyTorchProblem.stack("left over after its end", at: machine.position - 1)
    }
    let folder = prefix + "data/"
    let places = archive.members.filter { $0.name.hasPrefix(folder) }
      .map { (String($0.name.dropFirst(folder.count)), PyTorchStorages.Place.member($0)) }
    return (
      try PickleContents(machine),
      PyTorchStorages(file: file, places: Dictionary(places, uniquingKeysWith: { first, _ in first }))
    )
  }

  package func entry(_ name: String) -> WeightEntry? {
    tensors[name].map { WeightEntry(name: name, type: $0.storage.type, dims: $0.dims) }
  }

  package func read(_ name: String, rows: Range<Int>?) throws -> StoredTensor {
    guard let whole = tensors[name] else { preconditionFailure("no tensor \(name)") }
    let tensor = rows.map(whole.rows) ?? whole
    let size = tensor.storage.type.byteCount
    let span = tensor.span
    try checkMemory(tensor.byteCount, path)
    let bytes = try storages.read(tensor.storage.key, (span.lowerBound * size)..<(span.upperBound * size))
    return StoredTensor(type: tensor.storage.type, dims: tensor.dims, bytes: tensor.gathered(bytes))
  }

  /// The tensor called `name`, its elements in row-major order; a name that the file does not hold is an error.
  package func tensor(_ name: String) throws -> StoredTensor {
    guard tensors[name] != nil else { throw FormatError.pytorch(path, .missing(name)) }
    return try read(name)
  }

  /// All tensors, in memory.
  package func archiveInMemory() throws -> TensorArchive { try TensorArchive(reading: self) }
}
