import Foundation
import Formats
import Tensors

/// Where results may go: never over what the command reads, and never over what makes a folder a run.
enum OutputPlace {
  /// Looks at places of results before work begins. Places that do not exist yet are no problem of this.
  /// - Parameter inputs: files that the command reads; of folders nothing is looked at.
  static func check(_ places: [String], inputs: [String]) throws(OutputPlaceError) {
    for place in places {
      guard let found = identity(of: place) else { continue }
      if let input = inputs.first(where: { identity(of: $0) == found }) {
        throw OutputPlaceError.input(place: place, input: input)
      }
      if fileName(of: place) == RunFolder.recordName { throw OutputPlaceError.record(place: place) }
    }
  }

  private struct Identity: Equatable {
    let device: dev_t
    let file: ino_t
  }

  /// Of the regular file that a path leads to; nil where there is none.
  private static func identity(of path: String) -> Identity? {
    var status = stat()
    guard Folder.kind(of: path) == .file, stat(path, &status) == 0 else { return nil }
    return Identity(device: status.st_dev, file: status.st_ino)
  }
}

/// A place for results where something stands that must stay.
package enum OutputPlaceError: HalftoneError, Equatable {
  case input(place: String, input: String)
  case record(place: String)

  package var id: String { "E-OUT-INPUT" }
  package var exit: ExitStatus { .usage }
  package var message: String {
    switch self {
    case .input(let place, let input) where place == input: "\(printable(place)) is both input and output"
    case .input(let place, let input): "\(printable(place)) is the input \(printable(input)), and would be written over"
    case .record(let place): "\(printable(place)) is the record of a run, and would be written over"
    }
  }
  package var hint: String? { "name another output" }
}
