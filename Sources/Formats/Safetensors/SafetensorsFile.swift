import Tensors

/// A safetensors file: its header read and checked at opening, each tensor read from the disk when asked for.
///
/// The checks are those of the reference reader (header of at most 100 MB, contiguous tensors that cover the file, sizes that
/// agree with shapes) and stricter in that it refuses unknown keys, more than 32 axes and control characters in names.
package struct SafetensorsFile: Sendable {
  package struct Entry: Sendable, Equatable {
    package let name: String
    package let type: ElementType
    package let dims: [Int]
    /// Where its bytes stand in the file.
    package let range: Range<Int>
  }

  package let metadata: [String: String]
  /// Sorted by name.
  package let entries: [Entry]
  private let file: InputFile
  private let positions: [String: Int]

  package var path: String { file.path }

  package init(_ path: String) throws { try self.init(InputFile(path)) }

  package init(_ file: InputFile) throws {
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
    entries = header.entries
    positions = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.name, $0) })
  }

  package func entry(_ name: String) -> Entry? { positions[name].map { entries[$0] } }

  /// The tensor called `name`; a name that the file does not hold is an error.
  package func tensor(_ name: String) throws -> StoredTensor {
    guard let entry = entry(name) else { throw FormatError.safetensors(path, .missing(name)) }
    return try tensor(entry)
  }

  package func tensor(_ entry: Entry) throws -> StoredTensor {
    let bytes = try file.read(at: entry.range.lowerBound, count: entry.range.count)
    return StoredTensor(type: entry.type, dims: entry.dims, bytes: bytes)
  }

  /// All tensors and the metadata, in memory.
  package func archive() throws -> TensorArchive {
    try checkMemory(file.size, path)
    var archive = TensorArchive(metadata: metadata)
    for entry in entries { archive.tensors[entry.name] = try tensor(entry) }
    return archive
  }
}
