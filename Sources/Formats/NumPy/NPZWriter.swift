import Tensors

/// Reading and writing whole archives of NumPy arrays.
package enum NPZ {
  package static func read(_ path: String) throws -> TensorArchive { try NPZFile(path).archiveInMemory() }

  /// Writes the arrays, sorted by name; metadata has no place in this format and must be empty.
  package static func write(_ archive: TensorArchive, to path: String) throws {
    precondition(archive.metadata.isEmpty, "an .npz holds arrays only")
    try write(to: path) { writer in
      for name in archive.names { try writer.add(name, archive.tensors[name]!) }
    }
  }

  /// Creates `path` from the arrays that `body` adds, in that order.
  package static func write(to path: String, _ body: (NPZWriter) throws -> Void) throws {
    try AtomicFile.write(to: path) { output in
      let writer = NPZWriter(output, path: path)
      try body(writer)
      try writer.finish()
    }
  }
}

/// An .npz being written: members stored without compression, with ZIP64 fields where sizes need them, and a fixed date
/// (1980-01-01), so that equal arrays give equal bytes.
package final class NPZWriter {
  private struct Written {
    let name: [UInt8]
    let checksum: UInt32
    let size: Int
    let offset: Int
  }

  private let output: OutputFile
  private let path: String
  private var members: [Written] = []
  private var names: Set<String> = []

  fileprivate init(_ output: OutputFile, path: String) {
    self.output = output
    self.path = path
  }

  package func add(_ name: String, _ tensor: StoredTensor) throws {
    try add(name, type: tensor.type, dims: tensor.dims) { try $0(tensor.bytes) }
  }

  /// Adds an array whose bytes (little-endian, row-major) `body` hands over in pieces.
  package func add(
    _ name: String, type: ElementType, dims: [Int], _ body: (_ sink: ([UInt8]) throws -> Void) throws -> Void
  )
    throws
  {
    guard let header = NPYHeader.encoded(type: type, dims: dims) else {
      throw FormatError.numpy(path, .elementType(type.rawValue, name: name))
    }
    let nameBytes = Array((name + ".npy").utf8)
    precondition(names.insert(name).inserted, "array \(name) is written twice")
    let size = header.count + dims.reduce(type.byteCount, *)
    let offset = output.offset
    try output.write(localHeader(nameBytes, size: size))
    let start = output.offset
    var checksum: UInt32 = 0
    func put(_ bytes: [UInt8]) throws {
      try output.write(bytes)
      checksum = bytes.withUnsafeBytes { crc32($0, continuing: checksum) }
    }
    try put(header)
    try body(put)
    precondition(output.offset - start == size, "array \(name) of shape \(dims) got \(output.offset - start) bytes")
    var field: [UInt8] = []
    field.appendLittle(checksum)
    try output.overwrite(field, at: offset + 14)
    members.append(Written(name: nameBytes, checksum: checksum, size: size, offset: offset))
  }

  private static let limit = 0xffff_ffff

  /// Version needed to extract, flags (bit 11: UTF-8 name), method 0 (stored), time and date.
  private func commonFields(_ name: [UInt8], wide: Bool) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.appendLittle(UInt16(wide ? 45 : 20))
    bytes.appendLittle(UInt16(name.allSatisfy { $0 < 0x80 } ? 0 : 0x800))
    bytes.appendLittle(UInt16(0))
    bytes.appendLittle(UInt16(0))
    bytes.appendLittle(UInt16(0x21))
    return bytes
  }

  /// The checksum is filled in later.
  private func localHeader(_ name: [UInt8], size: Int) -> [UInt8] {
    let wide = size >= Self.limit
    var bytes: [UInt8] = Array("PK".utf8) + [3, 4] + commonFields(name, wide: wide)
    bytes.appendLittle(UInt32(0))
    bytes.appendLittle(UInt32(clamping: size))
    bytes.appendLittle(UInt32(clamping: size))
    bytes.appendLittle(UInt16(name.count))
    bytes.appendLittle(UInt16(wide ? 20 : 0))
    return bytes + name + (wide ? wideField([size, size]) : [])
  }

  private func wideField(_ values: [Int]) -> [UInt8] {
    var bytes: [UInt8] = [1, 0]
    bytes.appendLittle(UInt16(8 * values.count))
    for value in values { bytes.appendLittle(UInt64(value)) }
    return bytes
  }

  private func directoryEntry(_ member: Written) -> [UInt8] {
    let wideSize = member.size >= Self.limit
    let wideOffset = member.offset >= Self.limit
    let extra =
      wideSize || wideOffset
      ? wideField((wideSize ? [member.size, member.size] : []) + (wideOffset ? [member.offset] : [])) : []
    var bytes: [UInt8] = Array("PK".utf8) + [1, 2]
    // Made by: Unix (3), so that the permissions below mean something.
    bytes.appendLittle(UInt16(3 << 8 | 45))
    bytes += commonFields(member.name, wide: !extra.isEmpty)
    bytes.appendLittle(member.checksum)
    bytes.appendLittle(UInt32(clamping: member.size))
    bytes.appendLittle(UInt32(clamping: member.size))
    bytes.appendLittle(UInt16(member.name.count))
    bytes.appendLittle(UInt16(extra.count))
    for _ in 0..<3 { bytes.appendLittle(UInt16(0)) }
    bytes.appendLittle(UInt32(0o100644) << 16)
    bytes.appendLittle(UInt32(clamping: member.offset))
    return bytes + member.name + extra
  }

  fileprivate func finish() throws {
    let start = output.offset
    for member in members { try output.write(directoryEntry(member)) }
    let end = output.offset
    if members.count >= 0xffff || start >= Self.limit || end - start >= Self.limit {
      try output.write(wideEnd(start: start, end: end))
    }
    var bytes: [UInt8] = Array("PK".utf8) + [5, 6, 0, 0, 0, 0]
    bytes.appendLittle(UInt16(clamping: members.count))
    bytes.appendLittle(UInt16(clamping: members.count))
    bytes.appendLittle(UInt32(clamping: end - start))
    bytes.appendLittle(UInt32(clamping: start))
    bytes.appendLittle(UInt16(0))
    try output.write(bytes)
  }

  /// ZIP64 end record and its locator.
  private func wideEnd(start: Int, end: Int) -> [UInt8] {
    var bytes: [UInt8] = Array("PK".utf8) + [6, 6]
    bytes.appendLittle(UInt64(44))
    bytes.appendLittle(UInt16(3 << 8 | 45))
    bytes.appendLittle(UInt16(45))
    bytes.appendLittle(UInt64(0))
    for value in [members.count, members.count, end - start, start] { bytes.appendLittle(UInt64(value)) }
    bytes += Array("PK".utf8) + [6, 7, 0, 0, 0, 0]
    bytes.appendLittle(UInt64(end))
    bytes.appendLittle(UInt32(1))
    return bytes
  }
}
