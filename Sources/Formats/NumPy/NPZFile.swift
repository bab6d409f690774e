import Tensors

/// NumPy arrays in a ZIP archive, opened lazily: each array is read when asked for, at once or row by row.
package struct NPZFile: Sendable {
  private let archive: ZipArchive
  /// Names without ".npy", sorted.
  package let names: [String]

  package var path: String { archive.file.path }

  package init(_ path: String) throws { try self.init(InputFile(path)) }

  package init(_ file: InputFile) throws {
    archive = try ZipArchive(file)
    for member in archive.members where !member.name.hasSuffix(".npy") || member.name == ".npy" {
      throw FormatError.numpy(file.path, .member(member.name))
    }
    names = archive.members.map { String($0.name.dropLast(4)) }.sorted()
  }

  /// The array called `name`, its header read and checked.
  package func open(_ name: String) throws -> NPYReader {
    guard names.contains(name) else { throw FormatError.numpy(path, .missing(name, has: names)) }
    return try NPYReader(archive.stream(archive.member(name + ".npy")), name: name, file: path)
  }

  package func tensor(_ name: String) throws -> StoredTensor { try open(name).tensor() }

  package func archiveInMemory() throws -> TensorArchive {
    var result = TensorArchive()
    for name in names { result.tensors[name] = try tensor(name) }
    return result
  }
}
