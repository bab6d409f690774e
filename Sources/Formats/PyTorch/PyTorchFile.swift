import Tensors

/// A PyTorch checkpoint (`.pth`, `.pt`, `.ckpt` as torch.save writes them since 1.6): a ZIP with a pickle, `NAME/data.pkl`, that
/// describes the tensors, and their elements in `NAME/data/KEY`. The pickle is read as data (`PickleMachine`); each tensor is read
/// from the disk when asked for.
package struct PyTorchFile: Sendable {
  /// Sorted.
  package let names: [String]
  /// What stands in the file beside tensors, by name; not read.
  package let ignored: [String]
  private let tensors: [String: PickleTensor]
  private let archive: ZipArchive
  private let prefix: String

  package var path: String { archive.file.path }

  /// Levels of maps within maps.
  private static let depthLimit = 8
  private static let tensorLimit = 100_000

  package init(_ path: String) throws { try self.init(InputFile(path)) }

  package init(_ file: InputFile) throws {
    let start = try file.read(at: 0, count: min(4, file.size))
    guard start == Array("PK\u{3}\u{4}".utf8) else {
      throw FormatError.pytorch(file.path, .kind(isLegacy: start.starts(with: [0x80, 2])))
    }
    archive = try ZipArchive(file)
    let pickles = archive.members.filter { $0.name.hasSuffix("/data.pkl") }
    guard pickles.count == 1, let pickle = pickles.first else {
      throw FormatError.pytorch(file.path, .kind(isLegacy: false))
    }
    prefix = String(pickle.name.dropLast("data.pkl".utf8.count))
    do {
      let order = prefix + "byteorder"
      if let member = archive.members.first(where: { $0.name == order }), member.size != 6 {
        throw PyTorchProblem.byteOrder
      } else if archive.members.contains(where: { $0.name == order }) {
        guard try archive.stream(archive.member(order)).read(6) == Array("little".utf8) else {
          throw PyTorchProblem.byteOrder
        }
      }
      guard pickle.size <= PickleMachine.sizeLimit else {
        throw PyTorchProblem.limit("the pickle has \(pickle.size) bytes", limit: PickleMachine.sizeLimit)
      }
      let machine = try PickleMachine(archive.stream(pickle).read(pickle.size))
      var collector = Collector(machine: machine)
      try collector.collect()
      tensors = collector.tensors
      ignored = collector.ignored.sorted()
      names = tensors.keys.sorted()
      try checkStorages()
    } catch let problem as PyTorchProblem {
      throw FormatError.pytorch(file.path, problem)
    }
  }

  /// Every storage has a member of exactly its size.
  private func checkStorages() throws {
    let sizes = Dictionary(archive.members.map { ($0.name, $0.size) }, uniquingKeysWith: { first, _ in first })
    for name in names {
      guard let storage = tensors[name]?.storage else { continue }
      let expected = storage.count * storage.type.byteCount
      guard let size = sizes[prefix + "data/" + storage.key], size == expected else {
        throw PyTorchProblem.storage(
          name, key: storage.key, expected: expected, found: sizes[prefix + "data/" + storage.key])
      }
    }
  }

  /// The tensor called `name`, its elements in row-major order.
  package func tensor(_ name: String) throws -> StoredTensor {
    guard let tensor = tensors[name] else { throw FormatError.pytorch(path, .missing(name)) }
    let storage = tensor.storage
    let stream = archive.stream(try archive.member(prefix + "data/" + storage.key))
    let bytes = try stream.remaining == 0 ? [] : stream.read(stream.remaining)
    let size = storage.type.byteCount
    if tensor.isContiguous {
      let start = tensor.count == 0 ? 0 : tensor.offset * size
      return StoredTensor(
        type: storage.type, dims: tensor.dims, bytes: Array(bytes[start..<(start + tensor.count * size)]))
    }
    var out: [UInt8] = []
    out.reserveCapacity(tensor.count * size)
    var index = [Int](repeating: 0, count: tensor.dims.count)
    for _ in 0..<tensor.count {
      let element = zip(index, tensor.strides).reduce(tensor.offset) { $0 + $1.0 * $1.1 }
      out += bytes[(element * size)..<((element + 1) * size)]
      var axis = index.count - 1
      while axis >= 0 {
        index[axis] += 1
        if index[axis] < tensor.dims[axis] { break }
        index[axis] = 0
        axis -= 1
      }
    }
    return StoredTensor(type: storage.type, dims: tensor.dims, bytes: out)
  }

  /// All tensors, in memory.
  package func archiveInMemory() throws -> TensorArchive {
    // Several tensors may share a storage.
    let total = names.reduce(0) { sum, name in
      guard let tensor = tensors[name] else { return sum }
      return sum.addingReportingOverflow(tensor.count * tensor.storage.type.byteCount).partialValue
    }
    try checkMemory(total < 0 ? .max : total, path)
    var out = TensorArchive()
    for name in names { out.tensors[name] = try tensor(name) }
    return out
  }

  /// Walks the maps of a state dict; names of inner maps are joined with points.
  private struct Collector {
    let machine: PickleMachine
    var tensors: [String: PickleTensor] = [:]
    var ignored: [String] = []
    private var visited = 0

    init(machine: PickleMachine) { self.machine = machine }

    mutating func collect() throws(PyTorchProblem) {
      guard case .map(let number) = machine.result else { throw .noStateDict }
      try collect(number, prefix: "", depth: 0)
      if tensors.isEmpty { throw .noStateDict }
    }

    private mutating func collect(_ number: Int, prefix: String, depth: Int) throws(PyTorchProblem) {
      if depth == PyTorchFile.depthLimit { throw .limit("maps within maps", limit: PyTorchFile.depthLimit) }
      for (key, value) in machine.maps[number] {
        visited += 1
        if visited > PyTorchFile.tensorLimit { throw .limit("too many entries", limit: PyTorchFile.tensorLimit) }
        guard case .string(let text) = key else {
          ignored.append(prefix + "…")
          continue
        }
        let name = prefix + text
        guard (1...1024).contains(name.utf8.count),
          name.unicodeScalars.allSatisfy({ $0.value >= 32 && $0.value != 127 })
        else { throw .name(name) }
        switch value {
        case .tensor(let tensor):
          if tensors.updateValue(tensor, forKey: name) != nil { throw .duplicate(name) }
        case .map(let inner): try collect(inner, prefix: name + ".", depth: depth + 1)
        case .none, .bool, .integer, .number, .string, .tuple, .list, .global, .storage: ignored.append(name)
        }
      }
    }
  }
}
