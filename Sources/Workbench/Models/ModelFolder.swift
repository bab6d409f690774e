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
  /// What makes contexts of classes; nil where nothing does.
  let classTable: ClassTableFolder?
  private let firstStage: String?
  private let path: String
  private let weights: Checkpoint.Options

  /// - Parameters:
  ///   - path: a folder with `unet/config.json` or `unet_ema/config.json`, or with `config.json`.
  ///   - weights: which of several sets of weights.
  package init(_ path: String, weights: Checkpoint.Options = Checkpoint.Options()) throws {
    let pipeline = try PipelineFolder(path)
    firstStage = pipeline?.firstStage
    classTable = pipeline?.classTable
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

  /// Options that were given and say nothing here.
  func idle(_ options: ModelOptions) -> [String] {
    options.ofCheckpoints.filter { $0 != "--unconditional" || classTable == nil }
  }

  /// What stands with the network.
  func pipeline() throws -> Pipeline {
    Pipeline(firstStage: try firstStage.map { try FirstStageSource(folder: $0, variant: weights.variant) })
  }

  /// Whether a folder is a diffusers folder or a network's own.
  static func describesNetwork(_ path: String) -> Bool {
    ["unet/config.json", "unet_ema/config.json", "config.json", "model_index.json"].contains {
      exists(joined(path, $0))
    }
  }

  private static func exists(_ file: String) -> Bool { Folder.kind(of: file) == .file }
}
