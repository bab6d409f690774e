/// Bytes of Python's pickle operations, and of the files that torch.save makes of them.
package enum Pickle {
  package static func text(_ text: String) -> [UInt8] {
    [UInt8(ascii: "X")] + littleEndian(text.utf8.count, 4) + Array(text.utf8)
  }
  package static func global(_ module: String, _ name: String) -> [UInt8] { Array("c\(module)\n\(name)\n".utf8) }
  package static func number(_ value: Int) -> [UInt8] { [UInt8(ascii: "J")] + littleEndian(value, 4) }
  package static func tuple(_ items: [[UInt8]]) -> [UInt8] {
    Array("(".utf8) + items.flatMap { $0 } + Array("t".utf8)
  }
  package static func list(_ items: [[UInt8]]) -> [UInt8] { Array("](".utf8) + items.flatMap { $0 } + Array("e".utf8) }
  package static func whole(_ body: [UInt8]) -> [UInt8] { [0x80, 2] + body + Array(".".utf8) }
  package static func map(_ items: [(String, [UInt8])]) -> [UInt8] {
    dictionary(items.map { (text($0.0), $0.1) })
  }
  package static func dictionary(_ items: [(key: [UInt8], value: [UInt8])]) -> [UInt8] {
    Array("}(".utf8) + items.flatMap { $0.key + $0.value } + Array("u".utf8)
  }
  /// What Python makes by calling a name.
  package static func call(_ module: String, _ name: String, _ arguments: [[UInt8]]) -> [UInt8] {
    global(module, name) + tuple(arguments) + Array("R".utf8)
  }
  /// An object of a class, with a state.
  package static func object(_ module: String, _ name: String, state: [UInt8]) -> [UInt8] {
    global(module, name) + Array(")".utf8) + [0x81] + state + Array("b".utf8)
  }

  package static func storage(
    _ count: Int = 4, key: String = "0", type: String = "FloatStorage", more: [[UInt8]] = []
  ) -> [UInt8] {
    tuple([text("storage"), global("torch", type), text(key), text("cpu"), number(count)] + more) + Array("Q".utf8)
  }

  package static func tensor(
    dims: [Int] = [2, 2], strides: [Int] = [2, 1], offset: Int = 0, storage: [UInt8] = storage()
  ) -> [UInt8] {
    call(
      "torch._utils", "_rebuild_tensor_v2",
      [
        storage, number(offset), tuple(dims.map(number)), tuple(strides.map(number)), [0x89],
        global("collections", "OrderedDict") + Array(")R".utf8),
      ])
  }

  /// A contiguous tensor over a storage of its own.
  package static func tensor(_ dims: [Int], key: String, type: String = "FloatStorage") -> [UInt8] {
    var strides: [Int] = []
    for axis in dims.indices { strides.append(dims[(axis + 1)...].reduce(1, *)) }
    return tensor(
      dims: dims, strides: strides, storage: storage(dims.reduce(1, *), key: key, type: type))
  }

  /// A file as torch.save writes it since 1.6.
  package static func zipped(_ pickle: [UInt8], storages: [(key: String, bytes: [UInt8])], folder: String = "archive")
    -> [UInt8]
  {
    storedZip([("\(folder)/data.pkl", pickle)] + storages.map { ("\(folder)/data/\($0.key)", $0.bytes) })
  }

  package static let legacyStart: [UInt8] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e, 0x80, 2, 0x4d, 0xe9, 3, 0x2e]

  /// A file as torch.save wrote it before.
  /// - Parameter counts: what stands before each storage's bytes.
  package static func legacy(
    _ pickle: [UInt8], storages: [(key: String, count: Int, bytes: [UInt8])], littleEndian isLittle: Bool = true
  ) -> [UInt8] {
    let system = whole(map([("protocol_version", number(1001)), ("little_endian", [isLittle ? 0x88 : 0x89])]))
    return legacyStart + system + pickle + whole(list(storages.map { text($0.key) }))
      + storages.flatMap { littleEndian($0.count, 8) + $0.bytes }
  }

  package static func littleEndian(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  package static func floats(_ values: [Float]) -> [UInt8] {
    values.flatMap { littleEndian(Int($0.bitPattern), 4) }
  }
}
