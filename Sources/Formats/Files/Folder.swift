import Platform
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

  /// What stands in a folder, by name, sorted by bytes so that no locale and no file system order shows.
  package struct Listing: Sendable, Equatable {
    package var names: [String] = []
    /// Names that are not UTF-8, which no path here can reach: as messages show them, other bytes than ASCII as \xE9.
    package var unreachable: [String] = []
  }

  /// Names in `folder`, without those that are not UTF-8.
  package static func names(in folder: String) throws -> [String] { try listing(of: folder).names }

  package static func listing(of folder: String) throws -> Listing {
    try InputFile.checkName(folder)
    guard let stream = opendir(folder) else { throw FormatError.file(folder, .init(errno: errno, during: .list)) }
    defer { closedir(stream) }
    var listing = Listing()
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      guard let name = String(validating: bytes, as: UTF8.self) else {
        listing.unreachable.append(printable(bytes: bytes))
        continue
      }
      if name != "." && name != ".." { listing.names.append(name) }
    }
    guard errno == 0 else { throw FormatError.file(folder, .init(errno: errno, during: .list)) }
    listing.names.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    listing.unreachable.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    return listing
  }

  /// Creates `path` and the folders above it where they are missing.
  package static func create(_ path: String) throws {
    try InputFile.checkName(path)
    if mkdir(path, 0o777) == 0 { return }
    switch errno {
    case EEXIST:
      guard kind(of: path) == .folder else {
        throw FormatError.file(
          path, .notFolder(found: isLink(path) && kind(of: path) == nil ? "a link that leads nowhere" : "a file"))
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

  /// Creates a folder inside another one, and those between them. None of them may be a link, which would lead what is written there to
  /// somewhere else.
  /// - Parameters: path: below `base`; base: taken as it is, links included.
  package static func create(_ path: String, inside base: String) throws {
    var place = path
    while place.utf8.count > base.utf8.count {
      if isLink(place) { throw FormatError.file(place, .folderIsLink) }
      let above = AtomicFile.split(place).folder
      if above == place { break }
      place = above
    }
    try create(path)
  }

  /// Bytes that an unprivileged writer can still put on the disk that holds `path`.
  package static func available(at path: String) -> Int? {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return nil }
    let (bytes, overflow) = Int(status.f_bavail).multipliedReportingOverflow(by: Int(status.f_frsize))
    return overflow ? .max : bytes
  }
}
