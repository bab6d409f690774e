import Tensors

/// Writing safetensors: the same arrays give the same bytes. Tensors stand in order of falling element size, then by
/// name, so that each is aligned to its elements; the header is padded with spaces to a multiple of 8 bytes.
package enum Safetensors {
  package static func read(_ path: String) throws -> TensorArchive { try SafetensorsFile(path).archive() }

  /// - Parameter verify: looks at the finished file before it gets its name; what it throws leaves the old file in place.
  package static func write(
    _ archive: TensorArchive, to path: String, verify: (_ temporary: String) throws -> Void = { _ in }
  ) throws {
    try write(archive.entries, metadata: archive.metadata, to: path, verify: verify) { entry, put in
      try put(archive.tensors[entry.name]?.bytes ?? [])
    }
  }

  /// Writes arrays whose contents come one after another, so that none but the one at work need be in memory.
  /// - Parameters:
  ///   - verify: as above.
  ///   - content: called for each entry in the order of the file; gives its bytes, in pieces of any size.
  /// - Precondition: the pieces of an entry have as many bytes as its type and shape say.
  package static func write(
    _ entries: [WeightEntry], metadata: [String: String], to path: String,
    verify: (_ temporary: String) throws -> Void = { _ in },
    content: (_ entry: WeightEntry, _ put: ([UInt8]) throws -> Void) throws -> Void
  ) throws {
    let (header, order) = layout(entries, metadata)
    let size = order.reduce(header.count) { $0 + $1.byteCount }
    try AtomicFile.write(to: path, expected: size, verify: verify) { output in
      try output.write(header)
      for entry in order {
        let start = output.offset
        try content(entry) { try output.write($0) }
        precondition(output.offset - start == entry.byteCount, "wrote another size than announced: \(entry.name)")
      }
    }
  }

  /// The whole file in memory.
  package static func encode(_ archive: TensorArchive) -> [UInt8] {
    let (header, order) = layout(archive.entries, archive.metadata)
    return order.reduce(into: header) { $0 += archive.tensors[$1.name]?.bytes ?? [] }
  }

  private static func layout(_ entries: [WeightEntry], _ metadata: [String: String])
    -> (header: [UInt8], order: [WeightEntry])
  {
    let order = entries.sorted {
      let (a, b) = ($0.type.byteCount, $1.type.byteCount)
      return a != b ? a > b : $0.name < $1.name
    }
    var items: [ConfigurationValue.Entry] = []
    if !metadata.isEmpty {
      let texts = metadata.sorted { $0.key < $1.key }
      items.append(.init("__metadata__", .map(texts.map { .init($0.key, .string($0.value)) })))
    }
    var offset = 0
    for entry in order {
      let end = offset + entry.byteCount
      items.append(
        .init(
          entry.name,
          [
            "dtype": .string(entry.type.rawValue), "shape": .list(entry.dims.map { .integer($0) }),
            "data_offsets": [.integer(offset), .integer(end)],
          ]))
      offset = end
    }
    var text = Array(JSONWriter.compact(.map(items)).utf8)
    text += [UInt8](repeating: UInt8(ascii: " "), count: (8 - text.count % 8) % 8)
    var header: [UInt8] = []
    header.appendLittle(UInt64(text.count))
    return (header + text, order)
  }
}
