import CHDF5
import CSystem
import Platform
import Tensors

/// The process that reads an HDF5 file for its parent: this program, started again as `halftone __read-h5 FILE`, confined, with
/// its standard input and output on one socket. It answers requests until the socket closes.
package enum HDF5Child {
  package static let command = "__read-h5"

  /// Beyond what the program itself takes when it starts.
  private static let memoryLimit: UInt64 = 1 << 30
  private static let secondsLimit: UInt64 = 3600
  private static let descriptorLimit: UInt64 = 16

  /// - Parameter arguments: those behind the command: one path.
  /// - Returns: the exit status. Nothing but the parent reads it, and it reads only whether this process died.
  package static func main(_ arguments: [String]) -> Int32 {
    guard let path = arguments.first, arguments.count == 1 else { return ExitStatus.usage.rawValue }
    // libhdf5 reads these when it starts. Locks are of no use to a reader of finished files, and some file systems have none.
    setenv("HDF5_USE_FILE_LOCKING", "FALSE", 1)
    for name in ["HDF5_PLUGIN_PATH", "HDF5_PLUGIN_PRELOAD", "HDF5_DRIVER", "HDF5_DRIVER_CONFIG"] { unsetenv(name) }
    guard ht_confine(memoryLimit, secondsLimit, descriptorLimit) == 0 else { return ExitStatus.internalError.rawValue }
    ht_h5_prepare()
    var walk: HDF5Walk?
    while let bytes = receive(HDF5Messages.Request.byteCount) {
      guard let request = HDF5Messages.Request(bytes) else { return ExitStatus.internalError.rawValue }
      do throws(HDF5Problem) {
        let opened = if let walk { walk } else { try HDF5Walk(path) }
        walk = opened
        try answer(request, opened)
        send([], refused: false)
      } catch {
        let (id, text, _) = error.wording
        send(Array(id.utf8) + [0] + Array(text.utf8), refused: true)
      }
    }
    return ExitStatus.success.rawValue
  }

  private static func answer(_ request: HDF5Messages.Request, _ walk: HDF5Walk) throws(HDF5Problem) {
    switch request {
    case .list:
      let bytes = walk.listing.bytes
      guard bytes.count <= HDF5Messages.listLimit else { throw .limit("/", "a listing of \(bytes.count) bytes") }
      send(bytes, refused: false)
    case .rows(let dataset, let first, let count):
      try walk.rows(dataset, first: first, count: count) { (bytes) throws(HDF5Problem) in send(bytes, refused: false) }
    }
  }

  /// Exactly `count` bytes from the parent, or nil when it has gone.
  private static func receive(_ count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let got = bytes.withUnsafeMutableBytes { buffer in
        retrying { Platform.read(STDIN_FILENO, buffer.baseAddress! + done, count - done) }
      }
      if got <= 0 { return nil }
      done += got
    }
    return bytes
  }

  /// A parent that has gone ends this process by SIGPIPE.
  private static func send(_ bytes: [UInt8], refused: Bool) {
    let message = HDF5Messages.replyHeader(refused: refused, length: bytes.count) + bytes
    var done = 0
    while done < message.count {
      let wrote = message.withUnsafeBytes { buffer in
        retrying { Platform.write(STDOUT_FILENO, buffer.baseAddress! + done, message.count - done) }
      }
      if wrote <= 0 { exit(ExitStatus.internalError.rawValue) }
      done += wrote
    }
  }
}
