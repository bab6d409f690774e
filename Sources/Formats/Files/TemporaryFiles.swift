import Platform
import Synchronization
import Tensors

/// The names of files that are being written, `.halftone-HOST-PID-NUMBER.tmp`, and the removal of those whose writers are
/// gone. The name says nothing of the target, so that it is never longer than a name may be, and says the host, because on
/// a shared file system a process number of one machine means nothing on another.
package enum TemporaryFiles {
  private static let prefix = ".halftone-"
  private static let suffix = ".tmp"
  /// Files of other hosts are left alone until nobody can be writing them any more.
  private static let oldAge = 14 * 24 * 3600

  /// This host in a name: the first 8 digits of its name's SHA-256.
  private static let host: String = {
    var names = utsname()
    uname(&names)
    return String(Digest.sha256(withUnsafeBytes(of: names.nodename) { Array($0.prefix { $0 != 0 }) }).prefix(8))
  }()
  /// About when this process began; none of its own files is older.
  private static let started = time(nil)

  private static let state = Mutex<(number: Int, cleaned: Set<String>)>((0, []))

  /// Creates an empty file in the folder of `path`, after removing what killed writers left there.
  static func create(for path: String) throws -> String {
    let folder = AtomicFile.split(path).folder
    _ = started
    if state.withLock({ $0.cleaned.insert(folder).inserted }) { try? removeStale(in: folder) }
    while true {
      let number = state.withLock {
        $0.number += 1
        return $0.number
      }
      let temporary = "\(folder)/\(name(process: getpid(), number))"
      let descriptor = retrying { open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o666) }
      if descriptor >= 0 {
        close(descriptor)
        return temporary
      }
      // Another program's file of that name is left alone.
      guard errno == EEXIST else { throw FormatError.file(path, .init(errno: errno, during: .create)) }
    }
  }

  private static func name(process: pid_t, _ number: Int) -> String { "\(prefix)\(host)-\(process)-\(number)\(suffix)" }

  /// Removes the files in `folder` whose writers are gone: killed, or lost with the machine.
  package static func removeStale(in folder: String) throws {
    for name in try Folder.names(in: folder) where name.hasPrefix(prefix) && name.hasSuffix(suffix) {
      if isStale(name, in: folder) { unlink("\(folder)/\(name)") }
    }
  }

  private static func isStale(_ name: String, in folder: String) -> Bool {
    let fields = name.dropFirst(prefix.utf8.count).dropLast(suffix.utf8.count).split(separator: "-")
    guard fields.count == 3, let process = pid_t(fields[1]), process > 0, Int(fields[2]) != nil else { return false }
    var status = stat()
    guard lstat("\(folder)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return false }
    if fields[0] != host { return time(nil) - status.st_mtim.tv_sec > oldAge }
    // A container starts every time with the same process numbers: a file that is older than this process is not its own.
    if process == getpid() { return status.st_mtim.tv_sec < started - 1 }
    return kill(process, 0) != 0 && errno == ESRCH
  }
}
