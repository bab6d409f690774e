import CZlib
import Tensors

/// Why compressed data could not be expanded; `at` is the byte of the file up to which it had been read.
enum InflateFault: Error {
  case damaged(String, at: Int)
  case truncated
}

/// Expands deflate data (RFC 1951) from a stream, as much as is asked for and never more.
final class Inflater {
  enum Container { case raw, gzip }

  private let source: FileStream
  private let state: UnsafeMutablePointer<z_stream>
  private var input: [UInt8] = []
  private var used = 0
  private(set) var finished = false

  /// zlib's state and its window of 32 KiB.
  private static let memory = 40 << 10

  /// - Throws: where zlib cannot have the memory that it needs.
  init(_ source: FileStream, container: Container) throws(MemoryError) {
    self.source = source
    state = .allocate(capacity: 1)
    state.initialize(to: z_stream())
    // 15: the largest window. Negative: no wrapper. Plus 16: gzip, whose header and checksum zlib verifies.
    let bits: Int32 = container == .raw ? -15 : 15 + 16
    let status = inflateInit2_(state, bits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    if status == Z_MEM_ERROR { throw MemoryError(refused: Self.memory, for: "expanding compressed data") }
    precondition(status == Z_OK, "zlib cannot start: \(status)")
  }

  deinit {
    inflateEnd(state)
    state.deallocate()
  }

  /// The file's first byte that was not consumed.
  var offset: Int { source.offset - (input.count - used) }

  /// Fills `buffer` as far as the data reaches; fewer bytes than asked mean that the stream has ended properly.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    var done = 0
    while done < buffer.count && !finished {
      if used == input.count && source.remaining > 0 {
        input = try source.read(min(1 << 16, source.remaining))
        used = 0
      }
      let room = min(buffer.count - done, 1 << 30)
      state.pointee.next_out = (buffer.baseAddress! + done).assumingMemoryBound(to: UInt8.self)
      state.pointee.avail_out = UInt32(room)
      let status = input.withUnsafeMutableBufferPointer { bytes in
        state.pointee.next_in = bytes.baseAddress.map { $0 + used }
        state.pointee.avail_in = UInt32(bytes.count - used)
        return inflate(state, Z_NO_FLUSH)
      }
      used = input.count - Int(state.pointee.avail_in)
      let produced = room - Int(state.pointee.avail_out)
      done += produced
      switch status {
      case Z_STREAM_END: finished = true
      case Z_OK: break
      case Z_BUF_ERROR where source.remaining == 0: throw InflateFault.truncated
      case Z_BUF_ERROR: break
      // The window is asked for when it is first used.
      case Z_MEM_ERROR: throw MemoryError(refused: Self.memory, for: "expanding compressed data")
      default:
        let reason = state.pointee.msg.map { String(cString: $0) } ?? "zlib status \(status)"
        throw InflateFault.damaged(reason, at: offset)
      }
    }
    return done
  }

  /// Whether the data ends here, consuming the wrapper's checksum but no content.
  func endsHere() throws -> Bool {
    var byte: UInt8 = 0
    return try withUnsafeMutableBytes(of: &byte) { try read(into: $0) } == 0
  }
}

/// CRC-32 as ZIP, gzip and PNG use it, continued from `checksum`.
func crc32(_ bytes: UnsafeRawBufferPointer, continuing checksum: UInt32 = 0) -> UInt32 {
  UInt32(
    truncatingIfNeeded: crc32_z(UInt(checksum), bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count))
}
