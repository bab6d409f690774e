import Formats
import Foundation
import Tensors

/// Who holds a run folder.
package struct LockHolder: Sendable, Equatable {
  package let host: String
  package let process: Int32
  package init(host: String, process: Int32) {
    self.host = host
    self.process = process
  }
  package static var current: LockHolder { LockHolder(host: Machine.current.hostName, process: getpid()) }

  /// The lock file's text: `HOST PID`, one line.
  var text: String { "\(host) \(process)\n" }
  init?(text: String) {
    let words = text.split(whereSeparator: \.isWhitespace)
    guard words.count == 2, let process = Int32(words[1]), process > 0 else { return nil }
    self.init(host: String(words[0]), process: process)
  }

  /// Whether the holder may still be at work; a holder on another host cannot be asked and counts as running.
  var mayBeRunning: Bool {
    guard host == Machine.current.hostName else { return true }
    return kill(process, 0) == 0 || errno != ESRCH
  }
}

/// Guards a run folder against a second process: the file `lock` names host and process, and an advisory lock on it
/// (flock) lasts as long as the process, however that ends, so that a killed run leaves nothing to clean up by hand.
///
/// Where the file system knows no advisory locks, the file's words decide: a holder on this host that is no longer
/// running is replaced, any other is believed. If both fail, two processes only repeat each other's work: file names and
/// pixels follow from the configuration, and files appear by renaming.
package final class RunLock {
  package let path: String
  /// The holder whose abandoned lock was taken over, for the log.
  package let replaced: LockHolder?
  private let descriptor: Int32

  /// - Throws: `RunError.locked` when another process holds the folder.
  package init(folder: String) throws {
    let path = joined(folder, "lock")
    self.path = path
    while true {
      let descriptor = try PlainFile.open(path, O_RDWR | O_CREAT)
      let holder = Self.holder(in: descriptor)
      guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
        let code = errno
        close(descriptor)
        if code == EINTR { continue }
        let isContended = code == EWOULDBLOCK
        if isContended || holder?.mayBeRunning == true { throw RunError.locked(folder: folder, holder: holder) }
        self.descriptor = -1
        self.replaced = holder
        try AtomicFile.write(LockHolder.current.text, to: path)
        return
      }
      // The former holder may have removed the file between our opening and locking it; then we hold a lock on nothing.
      guard Self.isStill(descriptor, at: path) else {
        close(descriptor)
        continue
      }
      self.descriptor = descriptor
      self.replaced = Self.holder(in: descriptor)
      ftruncate(descriptor, 0)
      let text = Array(LockHolder.current.text.utf8)
      _ = text.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
      return
    }
  }

  deinit {
    unlink(path)
    if descriptor >= 0 { close(descriptor) }
  }

  private static func holder(in descriptor: Int32) -> LockHolder? {
    var bytes = [UInt8](repeating: 0, count: 512)
    let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
    return LockHolder(text: String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self))
  }

  private static func isStill(_ descriptor: Int32, at path: String) -> Bool {
    var (held, named) = (stat(), stat())
    return fstat(descriptor, &held) == 0 && stat(path, &named) == 0
      && held.st_ino == named.st_ino && held.st_dev == named.st_dev
  }
}
