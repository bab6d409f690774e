import Platform

/// Zeroed memory aligned to cache lines, for packed weights and arenas; freed with the last reference.
package final class AlignedBuffer: Sendable {
  package static let alignment = 64
  /// The bytes; the buffer must outlive every use.
  package let span: SharedSpan<UInt8>

  /// - Throws: `KernelError.outOfMemory` when this process may not have the memory.
  package init(byteCount: Int) throws(KernelError) {
    precondition(byteCount >= 0)
    do { try MemoryBudget.require(byteCount, for: "one buffer") } catch { throw .outOfMemory(error) }
    var memory: UnsafeMutableRawPointer?
    guard posix_memalign(&memory, Self.alignment, max(byteCount, 1)) == 0, let memory else {
      throw .outOfMemory(MemoryError(what: "one buffer", needed: byteCount, room: MemoryBudget.room()))
    }
    memset(memory, 0, byteCount)
    span = SharedSpan(memory.bindMemory(to: UInt8.self, capacity: byteCount), count: byteCount)
  }

  deinit { free(span.base) }

  package var byteCount: Int { span.count }
  package var raw: UnsafeMutableRawPointer { UnsafeMutableRawPointer(span.base) }

  /// `count` elements from byte `offset` on. - Precondition: inside the buffer, `offset` aligned for the element.
  package func pointer<Element>(_: Element.Type = Element.self, at offset: Int = 0, count: Int = 0)
    -> UnsafeMutablePointer<Element>
  {
    precondition(offset >= 0 && offset + count * MemoryLayout<Element>.stride <= byteCount)
    precondition(offset % MemoryLayout<Element>.alignment == 0)
    return (raw + offset).assumingMemoryBound(to: Element.self)
  }
}
