import Platform
import Tensors

/// A regular file opened for reading at any position, or bytes in memory under a file's name.
///
/// Reads go through `pread` and not through a mapping, so that a file that shrinks while it is read is an error and never
/// a signal. Pipes, devices and folders are refused by name: a FIFO would block and /dev/zero would never end.
package final class InputFile: Sendable {
  private enum Storage: Sendable {
    case descriptor(Int32)
    case memory([UInt8])
  }

  package let path: String
  /// Bytes in the file when it was opened.
  package let size: Int
  private let storage: Storage

  /// - Parameter limit: the most bytes a file of this kind may have.
  package init(_ path: String, limit: Int = .max) throws {
    try Self.checkName(path)
    let descriptor = retrying { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) }
    guard descriptor >= 0 else { throw FormatError.file(path, .init(errno: errno, during: .open)) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      defer { close(descriptor) }
      throw FormatError.file(path, .init(errno: errno, during: .open))
    }
    self.path = path
    size = Int(status.st_size)
    storage = .descriptor(descriptor)
    // From here on deinit closes the descriptor.
    if let kind = irregularKind(status.st_mode) { throw FormatError.file(path, .notRegular(found: kind)) }
    if size > limit { throw FormatError.file(path, .tooLarge(size: size, limit: limit)) }
  }

  /// Bytes in memory; `name` is what messages call them.
  package init(bytes: [UInt8], name: String) {
    path = name
    size = bytes.count
    storage = .memory(bytes)
  }

  deinit {
    if case .descriptor(let descriptor) = storage { close(descriptor) }
  }

  /// Exactly `count` bytes from `offset` on. The range must lie inside the file as it was opened; a file that has become
  /// shorter since is refused.
  package func read(at offset: Int, count: Int) throws -> [UInt8] {
    try checkMemory(count, path)
    return try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      try read(
        at: offset, into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count]))
      initialized = count
    }
  }

  /// Fills `buffer` with the bytes from `offset` on.
  package func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
    precondition(offset >= 0 && buffer.count <= size - offset, "read outside \(path)")
    switch storage {
    case .memory(let bytes):
      buffer.copyBytes(from: bytes[offset..<(offset + buffer.count)])
    case .descriptor(let descriptor):
      var done = 0
      while done < buffer.count {
        // One call moves at most 2^31 - 4096 bytes.
        let step = min(buffer.count - done, 1 << 30)
        let got = retrying { pread(descriptor, buffer.baseAddress! + done, step, off_t(offset + done)) }
        if got < 0 { throw FormatError.file(path, .init(errno: errno, during: .read)) }
        if got == 0 { throw FormatError.file(path, .changed(size: size, at: offset + buffer.count)) }
        done += got
      }
    }
  }

  /// The whole file.
  package func contents() throws -> [UInt8] { try read(at: 0, count: size) }

  /// The whole file at `path`, of at most `limit` bytes.
  package static func contents(of path: String, limit: Int) throws -> [UInt8] {
    try InputFile(path, limit: limit).contents()
  }

  static func checkName(_ path: String) throws {
    if path.isEmpty { throw FormatError.file(path, .badName("empty")) }
    if path.utf8.contains(0) { throw FormatError.file(path, .badName("it contains a NUL character")) }
  }
}

/// What a file that is no regular file is, for messages; nil for a regular one.
func irregularKind(_ mode: mode_t) -> String? {
  switch mode & S_IFMT {
  case S_IFREG: nil
  case S_IFDIR: "a folder"
  case S_IFIFO: "a pipe"
  case S_IFCHR, S_IFBLK: "a device"
  case S_IFSOCK: "a socket"
  default: "something else"
  }
}

/// Repeats a system call that a signal interrupted.
func retrying<T: SignedInteger>(_ call: () -> T) -> T {
  while true {
    let result = call()
    if result != -1 || errno != EINTR { return result }
  }
}

/// Refuses an allocation that this process cannot have: an announced size is a claim.
func checkMemory(_ count: Int, _ path: String) throws {
  try MemoryBudget.require(count, for: printable(path))
}
