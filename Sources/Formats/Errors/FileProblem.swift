import Platform
import Tensors

/// Problems of files as such, whatever they hold.
package enum FileProblem: FormatProblem {
  /// What was being done when the system refused.
  package enum Operation: String, Sendable {
    case open, read, list, create, write, flush, rename
    var writes: Bool {
      switch self {
      case .open, .read, .list: false
      case .create, .write, .flush, .rename: true
      }
    }
  }

  case notFound
  case notRegular(found: String)
  case notFolder(found: String)
  case permission(Operation)
  case linkLoop
  /// A link where a run keeps a folder of its own.
  case folderIsLink
  case badName(String)
  case tooLarge(size: Int, limit: Int)
  case changed(size: Int, at: Int)
  /// More than this process (`ulimit -f`) or this file system may put into one file.
  case beyondFileSize
  case noSpace(needed: Int?, available: Int?)
  case noDescriptors
  case failed(Operation, code: Int32)

  package var exit: ExitStatus {
    switch self {
    case .notFound, .notRegular, .notFolder, .linkLoop, .folderIsLink, .badName, .tooLarge, .changed: .refusedInput
    case .permission(let operation): operation.writes ? .resource : .refusedInput
    case .beyondFileSize, .noSpace, .noDescriptors, .failed: .resource
    }
  }

  package var wording: (id: String, text: String, hint: String?) {
    switch self {
    case .notFound:
      ("E-IO-NOTFOUND", "no such file or folder", nil)
    case .notRegular(let found):
      ("E-IO-NOTFILE", "expected a regular file, found \(found)", nil)
    case .notFolder(let found):
      ("E-IO-NOTFOLDER", "expected a folder, found \(found)", nil)
    case .permission(let operation):
      ("E-IO-PERMISSION", "no permission to \(operation.rawValue)", nil)
    case .linkLoop:
      ("E-IO-LINK", "the symbolic links form a loop", nil)
    case .folderIsLink:
      (
        "E-IO-LINK", "a symbolic link where a folder should be; nothing is written through it",
        "put a folder in its place, or give another folder"
      )
    case .badName(let reason):
      ("E-IO-NAME", "not a usable file name: \(reason)", nil)
    case .tooLarge(let size, let limit):
      ("E-IO-SIZE", "\(size) bytes, over the limit of \(limit) for this kind of file", nil)
    case .changed(let size, let at):
      (
        "E-IO-CHANGED", "\(size) bytes when it was opened, but it now ends before byte \(at)",
        "another program is writing this file; try again when it has finished"
      )
    case .beyondFileSize:
      (
        "E-IO-LIMIT", "larger than this process or this file system may write into one file",
        "raise the limit with 'ulimit -f'"
      )
    case .noSpace(let needed, let available):
      (
        "E-IO-SPACE",
        "no space left on the disk"
          + (needed.map { ": \($0) bytes needed" } ?? "") + (available.map { ", \($0) available" } ?? ""),
        "free some space and run the same command again"
      )
    case .noDescriptors:
      ("E-IO-DESCRIPTORS", "too many open files", "raise the limit with 'ulimit -n'")
    case .failed(let operation, let code):
      ("E-IO-FAIL", "cannot \(operation.rawValue): \(String(cString: strerror(code)))", nil)
    }
  }

  /// The problem that a failed system call's `errno` stands for.
  package init(errno code: Int32, during operation: Operation) {
    self =
      switch code {
      case ENOENT: .notFound
      case ENOTDIR: operation == .list ? .notFolder(found: "something else") : .notFound
      case EACCES, EPERM, EROFS: .permission(operation)
      case ELOOP: .linkLoop
      case ENAMETOOLONG: .badName("too long")
      case EISDIR: .notRegular(found: "a folder")
      case ENOSPC, EDQUOT: .noSpace(needed: nil, available: nil)
      case EFBIG: .beyondFileSize
      case EMFILE, ENFILE: .noDescriptors
      default: .failed(operation, code: code)
      }
  }
}
