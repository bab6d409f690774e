import Tensors

/// Files that torch.save wrote before version 1.6 (and still writes when asked to), one part after another:
///
/// 1. a pickle of the number 0x1950a86a20f9469cfc6c, a pickle of the format's version, 1001, a pickle of the writer's byte order;
/// 2. the pickle of what was saved, which refers to storages by key;
/// 3. a pickle of the list of keys;
/// 4. for each key in that order, the number of elements as a 64-bit integer and the elements.
///
/// An element's size is known from the pickle alone, so a key that it does not mention, or with two types, cannot be read over.
extension PyTorchFile {
  /// The first two pickles, the same in every such file.
  static let legacyStart: [UInt8] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e] + [
      0x80, 2, 0x4d, 0xe9, 3, 0x2e,
    ]

  static func legacy(_ file: InputFile) throws -> (PickleContents, PyTorchStorages) {
    guard file.size >= legacyStart.count,
      try file.read(at: 0, count: legacyStart.count) == legacyStart
    else { throw PyTorchProblem.value("not the version of the format, 1001", at: 15) }
    var offset = legacyStart.count
    try checkByteOrder(pickle(file, &offset))
    let machine = try pickle(file, &offset)
    let keys = try keys(pickle(file, &offset))
    let places = try places(of: machine.storages, keys: keys, file, &offset)
    guard offset == file.size else { throw PyTorchProblem.trailing(at: offset, count: file.size - offset) }
    return (try PickleContents(machine), PyTorchStorages(file: file, places: places))
  }

  /// The pickle at `offset`, which is moved behind it. Its length is not written anywhere, so a piece of the file is read, and a
  /// larger one when the pickle does not end in it.
  private static func pickle(_ file: InputFile, _ offset: inout Int) throws -> PickleMachine {
    var window = 1 << 20
    while true {
      let count = min(window, file.size - offset)
      do {
        let machine = try PickleMachine(file.read(at: offset, count: count))
        offset += machine.position
        return machine
      } catch PyTorchProblem.truncated(let at) {
        guard count < file.size - offset else { throw PyTorchProblem.truncated(at: offset + at) }
        guard window < PickleMachine.sizeLimit else {
          throw PyTorchProblem.limit("a pickle does not end within its first \(window) bytes", limit: window)
        }
        window *= 8
      }
    }
  }

  private static func checkByteOrder(_ machine: PickleMachine) throws(PyTorchProblem) {
    guard case .map(let number) = machine.result else { throw .value("no description of the writer's machine", at: 0) }
    let order = machine.maps[number].first { $0.key == .string("little_endian") }
    if order?.value == .bool(false) { throw .byteOrder }
  }

  private static func keys(_ machine: PickleMachine) throws(PyTorchProblem) -> [String] {
    guard case .list(let number) = machine.result else { throw .value("no list of storages", at: 0) }
    var keys: [String] = []
    for value in machine.lists[number] {
      guard case .string(let key) = value else {
        throw .value("a list of storages with something else than keys", at: 0)
      }
      keys.append(key)
    }
    return keys
  }

  private static func places(
    of storages: [PickleStorage], keys: [String], _ file: InputFile, _ offset: inout Int
  ) throws -> [String: PyTorchStorages.Place] {
    var known: [String: PickleStorage] = [:]
    for storage in storages {
      let first = known.updateValue(storage, forKey: storage.key) ?? storage
      guard first.type == storage.type, first.count == storage.count else {
        throw PyTorchProblem.contradiction(storage.key)
      }
    }
    var places: [String: PyTorchStorages.Place] = [:]
    for key in keys {
      guard let storage = known[key] else { throw PyTorchProblem.unknownStorage(key) }
      guard file.size - offset >= 8 else {
        throw PyTorchProblem.cut(key: key, needed: 8, available: file.size - offset)
      }
      let count = try file.read(at: offset, count: 8).little(Int64.self, at: 0)
      offset += 8
      guard count == storage.count else {
        throw PyTorchProblem.count(key: key, expected: storage.count, found: Int(count))
      }
      let size = storage.count * storage.type.byteCount
      guard size <= file.size - offset else {
        throw PyTorchProblem.cut(key: key, needed: size, available: file.size - offset)
      }
      if places.updateValue(.bytes(offset..<(offset + size)), forKey: key) != nil {
        throw PyTorchProblem.duplicate(key)
      }
      offset += size
    }
    return places
  }
}
