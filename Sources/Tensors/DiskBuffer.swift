import Platform

/// Zeroed memory in a file that has no name any more: the system may write its pages out, so that what exceeds memory takes
/// disk. Gone with the last reference, and with the process.
package final class DiskBuffer: Sendable {
  /// The bytes; the buffer must outlive every use.
  private let span: SharedSpan<UInt8>

  /// - Parameter folder: where the file lies.
  /// - Throws: `KernelError.outOfDisk` when the folder cannot hold it: all of it is reserved here, because a page that finds
  ///   no room later would end the process.
  package init(byteCount: Int, in folder: String) throws(KernelError) {
    let size = max(byteCount, 1)
    func refusal(_ code: Int32) -> KernelError {
      .outOfDisk(folder: folder, bytes: byteCount, reason: String(cString: strerror(code)))
    }
    var name = Array("\(folder)/.halftone-values-XXXXXX".utf8CString)
    let file = mkstemp(&name)
    if file < 0 { throw refusal(errno) }
    defer { close(file) }
    unlink(name)
    let code = posix_fallocate(file, 0, size)
    if code != 0 { throw refusal(code) }
    guard let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), memory != MAP_FAILED else {
      throw refusal(errno)
    }
    span = SharedSpan(memory.bindMemory(to: UInt8.self, capacity: size), count: size)
  }

  deinit { munmap(span.base, span.count) }

  /// All of it as elements of one type.
  package func pointer<Element>(_: Element.Type = Element.self) -> UnsafeMutablePointer<Element> {
    UnsafeMutableRawPointer(span.base).assumingMemoryBound(to: Element.self)
  }
}
