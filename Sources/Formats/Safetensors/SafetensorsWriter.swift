import Tensors

/// Writing safetensors: the same archive gives the same bytes. Tensors stand in order of falling element size, then by
/// name, so that each is aligned to its elements; the header is padded with spaces to a multiple of 8 bytes.
package enum Safetensors {
  package static func read(_ path: String) throws -> TensorArchive { try SafetensorsFile(path).archive() }

  /// - Parameter verify: looks at the finished file before it gets its name; what it throws leaves the old file in place.
  package static func write(
    _ archive: TensorArchive, to path: String, verify: (_ temporary: String) throws -> Void = { _ in }
  ) throws {
    let (header, order) = layout(archive)
    let size = order.reduce(header.count) { $0 + archive.tensors[$1]!.bytes.count }
    try AtomicFile.write(to: path, expected: size, verify: verify) { output in
      try output.write(header)
      for name in order { try output.write(archive.tensors[name]!.bytes) }
    }
  }

  /// The whole file in memory.
  package static func encode(_ archive: TensorArchive) -> [UInt8] {
    let (header, order) = layout(archive)
    return order.reduce(into: header) { $0 += archive.tensors[$1]!.bytes }
  }

  private static func layout(_ archive: TensorArchive) -> (header: [UInt8], order: [String]) {
    let order = archive.names.sorted {
      let (a, b) = (archive.tensors[$0]!.type.byteCount, archive.tensors[$1]!.type.byteCount)
      return a != b ? a > b : $0 < $1
    }
    var entries: [ConfigurationValue.Entry] = []
    if !archive.metadata.isEmpty {
      let keys = archive.metadata.keys.sorted()
      entries.append(.init("__metadata__", .map(keys.map { .init($0, .string(archive.metadata[$0]!)) })))
    }
    var offset = 0
    for name in order {
      let tensor = archive.tensors[name]!
      let end = offset + tensor.bytes.count
      entries.append(
        .init(
          name,
          [
            "dtype": .string(tensor.type.rawValue), "shape": .list(tensor.dims.map { .integer($0) }),
            "data_offsets": [.integer(offset), .integer(end)],
          ]))
      offset = end
    }
    var text = Array(JSONWriter.compact(.map(entries)).utf8)
    text += [UInt8](repeating: UInt8(ascii: " "), count: (8 - text.count % 8) % 8)
    var header: [UInt8] = []
    header.appendLittle(UInt64(text.count))
    return (header + text, order)
  }
}
