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

  /// Refuses places, files or folders, where an input or a run's record stands, and files that are read as a part of an input's folder.
  /// Places that do not exist yet are no problem of this, nor are other files there: a command that left one may be repeated.
  static func keep(_ inputs: [String], from places: [String]) throws(OutputPlaceError) {
    for place in places {
      guard let found = identity(of: place) else { continue }
      if let input = inputs.first(where: { identity(of: $0) == found }) {
        throw OutputPlaceError.input(place: place, input: input)
      }
      if fileName(of: place) == RunFolder.recordName { throw OutputPlaceError.record(place: place) }
      guard Folder.kind(of: place) == .file, isPart(place) else { continue }
      let folders = foldersAround(place)
      if let input = inputs.first(where: { identity(of: $0).map(folders.contains) ?? false }) {
        throw OutputPlaceError.part(place: place, input: input)
      }
    }
  }

  /// Whether a file is one of those that commands read when they are given the folder that it stands in.
  private static func isPart(_ path: String) -> Bool {
    let file = URL(fileURLWithPath: path)
    let (name, folder) = (file.lastPathComponent, file.deletingLastPathComponent())
    func ends(_ endings: [String]) -> Bool { endings.contains { name.lowercased().hasSuffix($0) } }
    if ends([".safetensors"]) {
      // Weights beside a pipeline's networks are nobody's.
      let isPipeline = ["model_index.json", "unet/config.json"].contains {
        Folder.kind(of: joined(folder.path, $0)) == .file
      }
      return !isPipeline && (try? QuantizedModelFile.isOne(path)) != true
    }
    if ends([".json"]) {
      return ends(["config.json", "model_index.json", "flags.json"]) || name.contains(".index.")
        || ["units", "shards"].contains(folder.lastPathComponent)
    }
    // Arrays that are images of a run lie two folders below its own.
    let store = folder.deletingLastPathComponent().lastPathComponent
    if ends([".npz"]) { return [ImageStore.arrayFolderName, ImageStore.latentFolderName].contains(store) }
    return ImageFile.isNamedAsImage(name) || ends([".yaml", ".yml", ".txt", ".model"] + CheckpointFile.endings)
  }

  /// Identities of the folders that a file stands in, the nearest first.
  private static func foldersAround(_ path: String) -> [Identity] {
    var folder = URL(fileURLWithPath: path).deletingLastPathComponent().resolvingSymlinksInPath().path
    var found: [Identity] = []
    while true {
      if let identity = identity(of: folder) { found.append(identity) }
      let next = parentFolder(of: folder)
      if next == folder || next == "." { return found }
      folder = next
    }
  }

  /// Whether two paths lead to one file or folder.
  static func isSame(_ a: String, _ b: String) -> Bool { identity(of: a).map { $0 == identity(of: b) } ?? false }

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
  /// Of an input that is a folder.
  case part(place: String, input: String)
  case record(place: String)

  package var id: String { "E-OUT-INPUT" }
  package var exit: ExitStatus { .usage }
  package var message: String {
    switch self {
    case .input(let place, let input) where place == input: "\(printable(place)) is both input and output"
    case .input(let place, let input): "\(printable(place)) is the input \(printable(input)), and would be written over"
    case .part(let place, let input):
      "\(printable(place)) is part of the input \(printable(input)), and would be written over"
    case .record(let place): "\(printable(place)) is the record of a run, and would be written over"
    }
  }
  package var hint: String? { "name another output" }
}
