import Foundation
import Formats
import Tensors

/// Where results may go, looked at before work begins: where a file can be written, never over what the command reads, and never over
/// what makes a folder a run.
package enum OutputPlace {
  /// Refuses places that no file can be written to, or where something stands that must stay.
  /// - Parameter inputs: files and folders that the command reads.
  package static func check(_ places: [String], inputs: [String]) throws {
    try keep(inputs, from: places)
    for place in places { try AtomicFile.checkTarget(place) }
  }

  /// The same, for places whose folders are made where they are missing.
  package static func prepare(_ places: [String], inputs: [String]) throws {
    try keep(inputs, from: places)
    for place in places { try AtomicFile.prepareTarget(place) }
  }

  /// Refuses places, files or folders, where an input or a run's record stands. Places that do not exist yet are no problem of this.
  static func keep(_ inputs: [String], from places: [String]) throws(OutputPlaceError) {
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

  /// Of the file or folder that a path leads to, whatever it is called; nil where there is none.
  private static func identity(of path: String) -> Identity? {
    var status = stat()
    switch Folder.kind(of: path) {
    case .file?, .folder?:
      return stat(path, &status) == 0 ? Identity(device: status.st_dev, file: status.st_ino) : nil
    case .other?, nil: return nil
    }
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
