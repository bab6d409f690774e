import Platform
import Tensors

/// Writing a file so that readers see either the old one or the complete new one: a temporary file in the same folder,
/// flushed to the disk, then renamed, then the folder flushed. On any error the temporary file is removed; what killed
/// writers left behind is removed by the next writer in that folder (`TemporaryFiles`).
package enum AtomicFile {
  package static func write(_ bytes: [UInt8], to path: String) throws {
    try write(to: path, expected: bytes.count) { try $0.write(bytes) }
  }

  package static func write(_ text: String, to path: String) throws { try write(Array(text.utf8), to: path) }

  /// Creates `path` from what `body` writes.
  /// - Parameters:
  ///   - expected: the bytes it will take, if known: named when the disk is full.
  ///   - verify: looks at the finished file before it gets its name; what it throws leaves the old file in place.
  package static func write(
    to path: String, expected: Int? = nil, verify: (_ temporary: String) throws -> Void = { _ in },
    _ body: (OutputFile) throws -> Void
  ) throws {
    try withTemporary(for: path) { temporary in
      let output = try OutputFile(opening: temporary, for: path, expected: expected)
      try body(output)
      try output.finish()
      try verify(temporary)
    }
  }

  /// Runs `body`, which must fill the empty file whose path it is given, and puts that file in the place of `path`.
  /// For writers that open files themselves (HDF5).
  package static func withTemporary<Result>(for path: String, _ body: (_ temporary: String) throws -> Result) throws
    -> Result
  {
    try checkTarget(path)
    let temporary = try TemporaryFiles.create(for: path)
    do {
      let result = try body(temporary)
      try commit(temporary, to: path)
      return result
    } catch {
      unlink(temporary)
      throw error
    }
  }

  /// Refuses a path that no file can be written to, before any work is done for it: no name, a name that is too long, a
  /// folder or device, a folder that is missing or may not be written to.
  package static func checkTarget(_ path: String) throws {
    try InputFile.checkName(path)
    let (folder, name) = split(path)
    if name.isEmpty || name == "." || name == ".." { throw FormatError.file(path, .notRegular(found: "a folder")) }
    var status = stat()
    if stat(path, &status) == 0 {
      if let kind = irregularKind(status.st_mode) { throw FormatError.file(path, .notRegular(found: kind)) }
    } else if errno == ENAMETOOLONG {
      throw FormatError.file(path, .badName("too long"))
    }
    guard stat(folder, &status) == 0 else { throw FormatError.file(folder, .init(errno: errno, during: .create)) }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw FormatError.file(folder, .notFolder(found: "a file"))
    }
    guard access(folder, W_OK | X_OK) == 0 else {
      throw FormatError.file(folder, .init(errno: errno, during: .create))
    }
  }

  /// The same, for a path whose folder is made where it is missing.
  package static func prepareTarget(_ path: String) throws {
    try InputFile.checkName(path)
    let (folder, name) = split(path)
    if !name.isEmpty { try Folder.create(folder) }
    try checkTarget(path)
  }

  /// Flushes the finished file `temporary`, renames it to `path` and flushes the folder.
  private static func commit(_ temporary: String, to path: String) throws {
    try flush(temporary, for: path)
    guard rename(temporary, path) == 0 else { throw FormatError.file(path, .init(errno: errno, during: .rename)) }
    try flush(split(path).folder, for: path)
  }

  private static func flush(_ file: String, for path: String) throws {
    let descriptor = retrying { open(file, O_RDONLY | O_CLOEXEC) }
    guard descriptor >= 0 else { throw FormatError.file(path, .init(errno: errno, during: .flush)) }
    defer { close(descriptor) }
    // Some file systems cannot flush folders and say EINVAL; there is nothing more to do there.
    guard fsync(descriptor) == 0 || errno == EINVAL else {
      throw FormatError.file(path, .init(errno: errno, during: .flush))
    }
  }

  static func split(_ path: String) -> (folder: String, name: String) {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return (".", path) }
    let folder = String(path[..<slash])
    return (folder.isEmpty ? "/" : folder, String(path[path.index(after: slash)...]))
  }
}

/// The file that `AtomicFile.write` is creating.
package final class OutputFile {
  private let descriptor: Int32
  private let path: String
  private let temporary: String
  private let expected: Int?
  /// Bytes written so far, which is where the next ones go.
  package private(set) var offset = 0

  fileprivate init(opening temporary: String, for path: String, expected: Int?) throws {
    self.path = path
    self.temporary = temporary
    self.expected = expected
    descriptor = try PlainFile.open(temporary, O_WRONLY)
  }

  deinit { close(descriptor) }

  package func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    try put(bytes, at: offset)
    offset += bytes.count
  }

  /// Replaces bytes that were written before, such as a checksum that is known only now.
  package func overwrite(_ bytes: [UInt8], at position: Int) throws {
    precondition(position >= 0 && position + bytes.count <= offset)
    try bytes.withUnsafeBytes { try put($0, at: position) }
  }

  private func put(_ bytes: UnsafeRawBufferPointer, at position: Int) throws {
    var done = 0
    while done < bytes.count {
      let step = min(bytes.count - done, 1 << 30)
      let wrote = retrying { pwrite(descriptor, bytes.baseAddress! + done, step, off_t(position + done)) }
      if wrote < 0 { throw failure(during: .write) }
      done += wrote
    }
  }

  fileprivate func finish() throws {
    guard fsync(descriptor) == 0 else { throw failure(during: .flush) }
  }

  private func failure(during operation: FileProblem.Operation) -> FormatError {
    let problem = FileProblem(errno: errno, during: operation)
    guard case .noSpace = problem else { return .file(path, problem) }
    return .file(
      path, .noSpace(needed: expected.map { max($0 - offset, 0) }, available: Folder.available(at: temporary)))
  }
}
