import Diffusion
import Formats
import Foundation
import Graphs
import Tensors

/// Where the parts of a float model stand: a diffusers folder, or the folder of its U-Net alone.
package struct ModelFolder: Sendable {
  package let configuration: String
  /// The scheduler's file; nil where none stands with the network.
  package let scheduler: String?
  private let path: String
  private let weights: Checkpoint.Options

  /// - Parameters:
  ///   - path: a folder with `unet/config.json` or `unet_ema/config.json`, or with `config.json`.
  ///   - weights: which of several sets of weights.
  package init(_ path: String, weights: Checkpoint.Options = Checkpoint.Options()) throws {
    if Self.exists(joined(path, "model_index.json")) { try Self.checkIndex(joined(path, "model_index.json")) }
    let network = try NetworkFolder(path, weights: weights.weights).path
    configuration = joined(network, "config.json")
    guard Self.exists(configuration) else { throw ModelSourceError.noNetwork(folder: path) }
    self.path = path
    self.weights = weights

    // At the root, in scheduler/, or (for the network's own folder) beside it.
    var places = ["scheduler_config.json", "scheduler/scheduler_config.json"].map { joined(path, $0) }
    if network == path { places.append(joined(path, "../scheduler/scheduler_config.json")) }
    scheduler = places.first(where: Self.exists)
  }

  /// The network's weights, whatever container holds them.
  package func checkpoint() throws -> Checkpoint { try Checkpoint(path, weights) }

  /// Whether a folder is a diffusers folder or a network's own.
  static func describesNetwork(_ path: String) -> Bool {
    ["unet/config.json", "unet_ema/config.json", "config.json", "model_index.json"].contains {
      exists(joined(path, $0))
    }
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
}
