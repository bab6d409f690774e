import Formats
import Foundation
import Tensors

/// Journals: text appended in one write and flushed, so that a line is there whole, or not, or (after a crash) cut short
/// at the end of the file, where readers pass over it.
enum AppendOnlyFile {
  static func append(_ text: String, to path: String) throws {
    let descriptor = try PlainFile.open(path, O_WRONLY | O_CREAT | O_APPEND)
    defer { close(descriptor) }
    // A line cut short by a crash must not swallow the next one.
    let bytes = Array((endsMidLine(path) ? "\n" + text : text).utf8)
    let written = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    guard written == bytes.count, fsync(descriptor) == 0 else {
      throw RunError.system(path: path, doing: "write", code: written >= 0 && written < bytes.count ? ENOSPC : errno)
    }
  }

  private static func endsMidLine(_ path: String) -> Bool {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var last: UInt8 = 0
    let size = lseek(descriptor, 0, SEEK_END)
    return size > 0 && pread(descriptor, &last, 1, size - 1) == 1 && last != UInt8(ascii: "\n")
  }
}
