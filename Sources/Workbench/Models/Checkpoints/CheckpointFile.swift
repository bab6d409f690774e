import Formats
import Networks
import Tensors

/// A file of weights without a network's description, and where its configuration stands.
struct CheckpointFile {
  let path: String
  /// nil where none was named and none stands beside the file.
  let configuration: String?
  /// Which configuration was taken where none was named.
  let notes: [String]

  /// Endings of the names of weight files.
  static let endings = [".pt", ".pth", ".ckpt", ".bin", ".safetensors"]

  static func isNamedLikeOne(_ path: String) -> Bool { endings.contains(where: path.hasSuffix) }

  /// - Parameter configuration: the file named by the user; nil to look beside the checkpoint.
  /// - Throws: when several configurations stand beside it.
  init(_ path: String, configuration named: String?) throws {
    self.path = path
    if let named {
      configuration = named
      notes = []
      return
    }
    let names = ["config.yml", "config.yaml", "flags.json", "\(stem(of: path)).yaml"]
    let found = names.map { joined(parentFolder(of: path), $0) }.filter { Folder.kind(of: $0) == .file }
    if found.count > 1 { throw ModelSourceError.severalConfigurations(path: path, found: found) }
    configuration = found.first
    notes = found.first.map { ["configuration: \(printable($0)), beside the checkpoint"] } ?? []
  }

  /// The only file of weights in a folder; nil when there is none.
  /// - Throws: when there are several.
  static func only(in folder: String) throws -> String? {
    let found = try Folder.names(in: folder).filter {
      isNamedLikeOne($0) && Folder.kind(of: joined(folder, $0)) == .file
    }
    if found.count > 1 { throw ModelSourceError.severalCheckpoints(folder: folder, found: found) }
    return found.first.map { joined(folder, $0) }
  }

  /// The configuration's content, by its ending: YAML, JSON, or the text of a command line.
  func document() throws -> CheckpointDocument? {
    guard let configuration else { return nil }
    let file = fileName(of: configuration)
    let value: ConfigurationValue
    if [".yml", ".yaml"].contains(where: configuration.hasSuffix) {
      value = try YAML.read(configuration)
    } else if configuration.hasSuffix(".json") {
      value = try JSON.read(configuration)
    } else {
      value = try CommandLineFlags.parse(
        InputFile.contents(of: configuration, limit: CommandLineFlags.sizeLimit), file: configuration)
    }
    return CheckpointDocument(file: file, value: value)
  }
}

/// What a checkpoint is and how its network was settled: the part of `inspect` that other models do not have.
package struct CheckpointOrigin: Sendable {
  package let family: String
  package let configuration: String?
  package let hyperparameters: [Hyperparameter]
  /// Keys of the configuration without a meaning here.
  package let unused: [String]
}
