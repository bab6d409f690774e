import Diffusion
import Formats
import Foundation
import Graphs
import Tensors

/// Where the parts of a float model stand: a diffusers folder, or the folder of its U-Net alone.
package struct ModelFolder: Sendable {
  package let configuration: String
  package let weights: String
  /// The scheduler's file; nil where none stands with the network.
  package let scheduler: String?

  private static let weightsName = "diffusion_pytorch_model.safetensors"

  /// - Parameters:
  ///   - path: a folder with `unet/config.json`, or with `config.json`.
  ///   - needsWeights: whether a folder without weights is refused.
  package init(_ path: String, needsWeights: Bool = true) throws {
    if Self.exists(joined(path, "model_index.json")) { try Self.checkIndex(joined(path, "model_index.json")) }
    guard let network = Self.network(in: path) else { throw ModelSourceError.noNetwork(folder: path) }
    configuration = joined(network, "config.json")
    weights = joined(network, Self.weightsName)
    if needsWeights, !Self.exists(weights) { throw Self.missingWeights(in: network) }

    // At the root, in scheduler/, or (for the network's own folder) beside it.
    var places = ["scheduler_config.json", "scheduler/scheduler_config.json"].map { joined(path, $0) }
    if network == path { places.append(joined(path, "../scheduler/scheduler_config.json")) }
    scheduler = places.first(where: Self.exists)
  }

  /// Whether a folder is a diffusers folder or a network's own.
  static func describesNetwork(_ path: String) -> Bool {
    network(in: path) != nil || exists(joined(path, "model_index.json"))
  }

  private static func network(in path: String) -> String? {
    [joined(path, "unet"), path].first { exists(joined($0, "config.json")) }
  }

  private static func exists(_ file: String) -> Bool { Folder.kind(of: file) == .file }

  /// A pipeline with other networks than the U-Net would be sampled wrongly, so it is refused here.
  private static func checkIndex(_ path: String) throws {
    let index = try JSON.read(path)
    guard case .map(let entries) = index else { throw ModelSourceError.badIndex(path: path, found: index.kind) }
    let components = entries.filter { entry in
      if case .list(let items) = entry.value { return items.contains { $0 != .null } }
      return false
    }
    let others = components.map(\.key).filter { $0 != "unet" && $0 != "scheduler" && !$0.hasPrefix("_") }
    if !others.isEmpty { throw ModelSourceError.otherComponents(path: path, names: others) }
  }

  private static func missingWeights(in network: String) -> ModelSourceError {
    let names = (try? Folder.names(in: network)) ?? []
    return .noWeights(
      folder: network, expected: weightsName,
      found: names.filter { [".bin", ".safetensors", ".index.json", ".pt", ".ckpt"].contains(where: $0.hasSuffix) })
  }
}
