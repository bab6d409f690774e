import Platform
import Tensors

/// The one way in which files are opened for writing under a name that others may have prepared.
package enum PlainFile {
  /// A descriptor of the regular file at `path`. Symbolic links are not followed, so that nothing outside the folder is
  /// changed, and pipes, sockets and devices are refused without waiting for whoever reads them.
  /// - Parameter flags: O_WRONLY or O_RDWR, with O_CREAT and O_APPEND where they are wanted.
  package static func open(_ path: String, _ flags: Int32) throws -> Int32 {
    try InputFile.checkName(path)
    let descriptor = retrying {
      Platform.open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0o666)
    }
    guard descriptor >= 0 else {
      switch errno {
      case ELOOP: throw FormatError.file(path, .notRegular(found: "a symbolic link"))
      // A pipe that nobody reads, or a socket.
      case ENXIO: throw FormatError.file(path, .notRegular(found: "a pipe or a socket"))
      default: throw FormatError.file(path, .init(errno: errno, during: .create))
      }
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, let kind = irregularKind(status.st_mode) else { return descriptor }
    close(descriptor)
    throw FormatError.file(path, .notRegular(found: kind))
  }
}
