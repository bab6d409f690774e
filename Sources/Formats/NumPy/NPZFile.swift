import Tensors

/// NumPy arrays in a ZIP archive, opened lazily: each array is read when asked for, at once or row by row.
package struct NPZFile: Sendable {
  private let archive: ZipArchive
  /// Names without ".npy", sorted.
  package let names: [String]
  /// Names of members that are no arrays, sorted. NumPy passes over them too.
  package let others: [String]

  package var path: String { archive.file.path }

  package init(_ path: String) throws { try self.init(InputFile(path)) }

  package init(_ file: InputFile) throws {
    archive = try ZipArchive(file)
    let isArray = { (name: String) in name.hasSuffix(".npy") && name != ".npy" }
    names = archive.members.map(\.name).filter(isArray).map { String($0.dropLast(4)) }.sorted()
    others = archive.members.map(\.name).filter { !isArray($0) }.sorted()
    if names.isEmpty, let other = others.first { throw FormatError.numpy(file.path, .member(other)) }
  }

  /// Whether there is an array called `name`.
  package func contains(_ name: String) -> Bool { archive.contains(name + ".npy") && name != "" }

  /// The array called `name`, its header read and checked.
  package func open(_ name: String) throws -> NPYReader {
    guard contains(name) else { throw FormatError.numpy(path, .missing(name, has: names)) }
    return try NPYReader(archive.stream(archive.member(name + ".npy")), name: name, file: path)
  }

  package func tensor(_ name: String) throws -> StoredTensor { try open(name).tensor() }

  package func archiveInMemory() throws -> TensorArchive {
    var result = TensorArchive()
    for name in names { result.tensors[name] = try tensor(name) }
    return result
  }
}
