import Glibc
import Tensors

/// Listing and creating folders.
package enum Folder {
  /// What a path names, symbolic links followed.
  package enum Kind: Sendable { case file, folder, other }

  /// What stands at `path`, or nil when nothing does (a dangling or looping link included).
  package static func kind(of path: String) -> Kind? {
    var status = stat()
    guard !path.isEmpty, !path.utf8.contains(0), stat(path, &status) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return .file
    case S_IFDIR: return .folder
    default: return .other
    }
  }

  /// Whether `path` itself is a symbolic link.
  static func isLink(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
  }

  /// Names in `folder`, sorted by their bytes so that no locale and no file system order shows. Names that are not valid
  /// UTF-8 come repaired and then name no file; reading them says so.
  package static func names(in folder: String) throws -> [String] {
    try InputFile.checkName(folder)
    guard let stream = opendir(folder) else { throw FormatError.file(folder, .init(errno: errno, during: .list)) }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    guard errno == 0 else { throw FormatError.file(folder, .init(errno: errno, during: .list)) }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// Creates `path` and the folders above it where they are missing.
  package static func create(_ path: String) throws {
    try InputFile.checkName(path)
    if mkdir(path, 0o777) == 0 { return }
    switch errno {
    case EEXIST:
      guard kind(of: path) == .folder else {
        throw FormatError.file(path, .notRegular(found: "a file where a folder should be"))
      }
    case ENOENT:
      let above = AtomicFile.split(path).folder
      guard above != path, above != "." else { throw FormatError.file(path, .notFound) }
      try create(above)
      guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
        throw FormatError.file(path, .init(errno: errno, during: .create))
      }
    default:
      throw FormatError.file(path, .init(errno: errno, during: .create))
    }
  }

  /// Bytes that an unprivileged writer can still put on the disk that holds `path`.
  package static func available(at path: String) -> Int? {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return nil }
    let (bytes, overflow) = Int(status.f_bavail).multipliedReportingOverflow(by: Int(status.f_frsize))
    return overflow ? .max : bytes
  }
}
