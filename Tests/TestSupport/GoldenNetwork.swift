import Diffusion
import Execution
import Formats
import Foundation
import Graphs
import Networks
import Tensors
import Testing

/// A diffusers folder with one recorded call: configuration, weights, operands and the result that PyTorch computed.
package struct GoldenNetwork: CustomTestStringConvertible, Sendable {
  package let path: String
  package var testDescription: String { path }

  /// Every network of the reference implementation, and the embedded model.
  package static let all: [GoldenNetwork] =
    folders(in: "golden", prefix: "unet-") + folders(in: "golden-more", prefix: "")
    + [GoldenNetwork(path: "../../models/fashion-mnist-ddpm")]

  package static func named(_ name: String) -> GoldenNetwork { GoldenNetwork(path: name) }
  package static let embedded = all.last!

  private static func folders(in root: String, prefix: String) -> [GoldenNetwork] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: Fixtures.path(root))) ?? []
    return names.filter { $0.hasPrefix(prefix) && !$0.contains(".") }.sorted().map { .init(path: "\(root)/\($0)") }
  }

  private func file(_ name: String) -> String { Fixtures.path("\(path)/\(name)") }
  private var networkFolder: String { self.path.hasSuffix("fashion-mnist-ddpm") ? "unet/" : "" }

  package func json() throws -> ConfigurationValue { try JSON.read(file(networkFolder + "config.json")) }

  package func configuration() throws -> any UNetConfiguration {
    try UNetCatalog.decode(json(), file: "config.json")
  }

  package func archive() throws -> TensorArchive {
    try Safetensors.read(file(networkFolder + "diffusion_pytorch_model.safetensors"))
  }

  package func model() throws -> Model {
    try Model.load(graph: configuration().graph(), archive: archive(), file: "diffusion_pytorch_model.safetensors")
  }

  package func call() throws -> (input: NetworkInput, y: Tensor) {
    let archive = try NPZ.read(file("io.npz"))
    func stored(_ name: String) throws -> StoredTensor { try #require(archive.tensors[name], "\(name) in \(path)") }
    let t = try stored("t")
    let timesteps: [Timestep] =
      try t.integers(Int64.self)?.map { Timestep(Int($0)) } ?? #require(t.floats()).values.map { Timestep(Double($0)) }
    let labels = archive.tensors["labels"]?.integers(Int64.self)?.map { Int($0) }
    let input = NetworkInput(
      x: try #require(stored("x").floats()), timesteps: timesteps,
      conditioning: (labels ?? []).map { Conditioning(label: $0) })
    return (input, try #require(stored("y").floats()))
  }
}
