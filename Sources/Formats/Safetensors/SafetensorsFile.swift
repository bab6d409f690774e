import Tensors

/// A safetensors file: its header read and checked at opening, each tensor read from the disk when asked for.
///
/// The checks are those of the reference reader (header of at most 100 MB, contiguous tensors that cover the file, sizes that
/// agree with shapes) and stricter in that it refuses unknown keys, more than 32 axes and control characters in names.
package struct SafetensorsFile: WeightSource {
  package let metadata: [String: String]
  /// Sorted by name.
  package let entries: [WeightEntry]
  /// Where the bytes of each entry stand in the file.
  package let ranges: [Range<Int>]
  private let file: InputFile

  package var path: String { file.path }
  package var label: String { file.path }

  package init(_ path: String) throws { try self.init(InputFile(path)) }

  package init(_ file: InputFile) throws {
    try ContainerKind(file).checkMayBeSafetensors(file.path)
    guard file.size >= 8 else { throw FormatError.safetensors(file.path, .tooShort(size: file.size)) }
    let length = try file.read(at: 0, count: 8).little(UInt64.self, at: 0)
    guard length <= SafetensorsHeader.sizeLimit else {
      throw FormatError.safetensors(file.path, .headerLimit(length, limit: SafetensorsHeader.sizeLimit))
    }
    guard length <= file.size - 8 else {
      throw FormatError.safetensors(file.path, .headerSize(length, available: file.size - 8))
    }
    let bytes = try file.read(at: 8, count: Int(length))
    let header: SafetensorsHeader
    do {
      header = try SafetensorsHeader(bytes, at: 8, dataSize: file.size - 8 - bytes.count)
    } catch {
      throw FormatError.safetensors(file.path, error)
    }
    self.file = file
    metadata = header.metadata
    entries = header.entries.map(\.entry)
    ranges = header.entries.map(\.range)
  }

  package func entry(_ name: String) -> WeightEntry? { position(name).map { entries[$0] } }

  /// Entries are sorted by name.
  private func position(_ name: String) -> Int? {
    let position = entries.partitionPoint { $0.name >= name }
    return position < entries.count && entries[position].name == name ? position : nil
  }

  package func read(_ name: String, rows: Range<Int>?) throws -> StoredTensor {
    guard let position = position(name) else { preconditionFailure("no tensor \(name)") }
    return try read(position, rows: rows)
  }

  private func read(_ position: Int, rows: Range<Int>?) throws -> StoredTensor {
    let (entry, range) = (entries[position], ranges[position])
    guard let rows else {
      let bytes = try file.read(at: range.lowerBound, count: range.count)
      return StoredTensor(type: entry.type, dims: entry.dims, bytes: bytes)
    }
    precondition(entry.dims.first.map { (0...$0).contains(rows.upperBound) } ?? false, "rows outside the array")
    let dims = [rows.count] + entry.dims.dropFirst()
    let row = entry.dims.dropFirst().reduce(entry.type.byteCount, *)
    let bytes = try file.read(at: range.lowerBound + rows.lowerBound * row, count: rows.count * row)
    return StoredTensor(type: entry.type, dims: dims, bytes: bytes)
  }

  /// The tensor called `name`; a name that the file does not hold is an error.
  package func tensor(_ name: String) throws -> StoredTensor {
    guard let position = position(name) else { throw FormatError.safetensors(path, .missing(name)) }
    return try read(position, rows: nil)
  }

  /// All tensors and the metadata, in memory.
  package func archive() throws -> TensorArchive {
    var archive = try TensorArchive(reading: self)
    archive.metadata = metadata
    return archive
  }
}
