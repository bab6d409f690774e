import Diffusion
import Execution
import Formats
import Foundation
import Graphs
import Networks
import Tensors
import Testing

/// A checkpoint of an original program with its configuration and one recorded call (Tests/Fixtures/checkpoints).
package struct GoldenCheckpoint: CustomTestStringConvertible, Sendable {
  package let folder: String
  package let file: String
  package let configuration: String
  package var testDescription: String { folder }

  /// Every checkpoint, in each container.
  package static let all: [GoldenCheckpoint] = [
    .init("f1-ddim-bedroom", "model-2388000.ckpt", "config.yml"),
    .init("f1-ddim-cifar", "model-790000.ckpt", "config.yml"), .init("f1-ddim-trainlist", "ckpt.pth", "config.yml"),
    .init("f2-guided-legacy-updown-class", "64x64_diffusion_like.pt", "flags.json"),
    .init("f2-guided-neworder", "lsun_like.pt", "flags.json"),
    .init("f2-improved-in64like", "ema_0.9999_050000.pt", "flags.json"),
    .init("f2-improved-noscaleshift", "cifar10_uncond_50M_500K.pt", "flags.json"),
    .init("f3-ldm4-uncond", "model.ckpt", "config.yaml"), .init("f3-ldm-cin256", "model.ckpt", "config.yaml"),
    .init("f3-ldm8-churches", "model.ckpt", "config.yaml"), .init("f5-sd1", "sd-v1-like.ckpt", "config.yaml"),
  ]

  private init(_ folder: String, _ file: String, _ configuration: String) {
    self.folder = folder
    self.file = file
    self.configuration = configuration
  }

  package static func named(_ folder: String) throws -> GoldenCheckpoint {
    try #require(all.first { $0.folder == folder })
  }

  package func path(_ name: String) -> String { Fixtures.path("checkpoints/\(folder)/\(name)") }

  /// - Parameter weights: which of two sets of weights; nil for the averaged ones where there are some.
  package func archive(_ weights: WeightChoice? = nil) throws -> TensorArchive {
    try TensorArchive(reading: Checkpoint(path(file), .init(weights: weights)).weights)
  }

  package func source() throws -> any WeightSource { ArchivedWeights(try archive(), label: file) }

  /// The network with what stands beside it.
  package func contents() throws -> CheckpointContents {
    let opened = try Checkpoint(path(file))
    return CheckpointContents(try source(), groups: opened.groups)
  }

  package func settings() throws -> ConfigurationValue {
    configuration.hasSuffix(".json") ? try JSON.read(path(configuration)) : try YAML.read(path(configuration))
  }

  package func reading() throws -> CheckpointReading {
    try CheckpointCatalog.read(
      contents(), document: CheckpointDocument(file: configuration, value: settings()), options: CheckpointOptions())
  }

  /// - Parameters:
  ///   - weights: which of two sets of weights.
  ///   - transform: what each stored array is replaced by before loading.
  package func model(
    _ weights: WeightChoice? = nil, _ transform: (String, StoredTensor) -> StoredTensor = { _, tensor in tensor }
  ) throws -> Model {
    let reading = try reading()
    var archive = try archive(weights)
    for (name, tensor) in archive.tensors { archive.tensors[name] = transform(name, tensor) }
    return try Model.load(
      graph: reading.configuration.graph(), archive: archive, file: file, layout: reading.layout)
  }

  /// A recorded call and its result.
  /// - Parameters: name: `io.npz` or `io_eps.npz`; key: the result's name, nil for `out` or else `y`.
  package func call(_ name: String = "io.npz", result key: String? = nil) throws -> (
    input: NetworkInput, result: Tensor
  ) {
    let archive = try NPZ.read(path(name))
    func stored(_ name: String) throws -> StoredTensor { try #require(archive.tensors[name], "\(name) in \(folder)") }
    let timesteps = try stored("t").doubles().map { Timestep($0) }
    // The operand y is a label where the result is called out.
    let result = archive.tensors["out"]
    let labels = result == nil ? nil : archive.tensors["y"]?.doubles().map { Int($0) }
    var conditioning = (labels ?? []).map { Conditioning(label: $0) }
    if let context = archive.tensors["context"]?.floats() {
      let dims = Array(context.dims.dropFirst())
      conditioning = timesteps.indices.map {
        Conditioning(context: Context(context.rows($0..<($0 + 1)).reshaped(dims)))
      }
    }
    let input = NetworkInput(
      x: try #require(stored("x").floats()), timesteps: timesteps, conditioning: conditioning)
    return (input, try #require((stored(key ?? (result == nil ? "y" : "out"))).floats()))
  }
}
