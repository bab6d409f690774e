import Foundation
import Tensors

/// What stands against using a folder for a run.
package enum RunError: HalftoneError, Equatable {
  /// Another process works there.
  case locked(folder: String, holder: LockHolder?)
  /// The folder holds results of another configuration.
  case differs(folder: String, differences: [RunIdentity.Difference])
  /// The folder has files in it and is no run folder.
  case foreign(folder: String, example: String)
  /// `run.json` is there, but not one this program wrote.
  case damaged(path: String, reason: String)
  /// Written by a newer version.
  case newerSchema(path: String, found: Int, known: Int)
  /// Samples that are no images, where a score of images is asked for.
  case arrays(channels: Int)
  case system(path: String, doing: String, code: Int32)

  package var id: String {
    switch self {
    case .locked: "E-RUN-LOCKED"
    case .differs: "E-RUN-DIFFERS"
    case .foreign: "E-RUN-FOREIGN"
    case .damaged: "E-RUN-DAMAGED"
    case .newerSchema: "E-RUN-SCHEMA"
    case .arrays: "E-RUN-ARRAYS"
    case .system: "E-RUN-FOLDER"
    }
  }

  package var exit: ExitStatus {
    switch self {
    case .locked, .differs, .foreign, .damaged, .newerSchema: .conflict
    case .arrays: .usage
    case .system: .resource
    }
  }

  package var message: String {
    switch self {
    case .locked(let folder, let holder):
      "\(printable(folder)) is in use by "
        + (holder.map { "process \($0.process) on \(printable($0.host))" } ?? "another process")
    case .differs(let folder, let differences):
      "\(printable(folder)) holds another run:\n  "
        + listed(
          differences.lazy.map {
            "\(printable($0.key)): \(printable($0.found ?? "absent", limit: 500)) there, "
              + "\(printable($0.asked ?? "absent", limit: 500)) asked for"
          })
    case .foreign(let folder, let example):
      "\(printable(folder)) is no run folder: it holds \(printable(example)) and no run.json"
    case .damaged(let path, let reason):
      "\(printable(path)) cannot be used: \(reason)"
    case .newerSchema(let path, let found, let known):
      "\(printable(path)) has schema \(found); this version knows schema \(known)"
    case .arrays(let channels):
      "samples of \(channels) channels are kept as arrays, and a distance to a reference is one of images"
    case .system(let path, let doing, let code):
      "\(printable(path)): cannot \(doing): \(String(cString: strerror(code)))"
    }
  }

  package var hint: String? {
    switch self {
    case .locked: "wait for it to finish, or choose another folder with --out"
    case .differs: "repeat the first configuration to go on with that run, or choose another folder with --out"
    case .foreign: "choose an empty or a new folder with --out"
    case .damaged: "put the record back as it was; a new run needs another folder"
    case .newerSchema: "use the version of Halftone that made the folder"
    case .arrays: "leave --reference away"
    case .system: nil
    }
  }
}
