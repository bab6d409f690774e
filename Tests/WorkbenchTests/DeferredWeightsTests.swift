import Diffusion
import Execution
import Foundation
import Graphs
import Tensors
import TestSupport
import Testing
import Workbench

/// Weights that stay in their file until an executor packs them.
@Suite struct DeferredWeightsTests {
  static let root = Fixtures.root.deletingLastPathComponent().deletingLastPathComponent()

  func open(_ model: String, _ holding: WeightHolding) throws -> ModelSource {
    let assets = try Assets.locate(
      environment: ["HALFTONE_HOME": Self.root.path], executable: "/nowhere/bin/halftone")
    return try ModelSource.open(model, holding: holding, assets: assets)
  }

  @Test(arguments: ["fashion-mnist-ddpm", "fashion-mnist-ldm"])
  func theyAreNotHeldAndGiveTheSameBits(name: String) throws {
    let (left, whole) = try (open(name, .packed), open(name, .memory))
    #expect(left.digest == whole.digest)
    let layers = left.model.graph.layerWeights.map(\.parameter)
    #expect(left.model.deferred?.names == Set(layers) && whole.model.deferred == nil)
    #expect(layers.allSatisfy { left.model.parameters[$0] == nil })
    #expect(try layers.allSatisfy { try left.model.parameter($0) == whole.model.parameters[$0] })
    #expect(try left.model.loaded().parameters == whole.model.parameters)

    let graph = whole.model.graph
    let x = NoiseSource(seed: 3, stream: .recipe).normals(images: [0], shape: graph.imageShape, draw: .initial)
    let input = NetworkInput(
      x: x, timesteps: [Timestep(500)], conditioning: [graph.conditioning.example(label: 0)], stepIndex: nil)
    for winograd in [false, true] {
      let outputs = try [left, whole].map { try FloatExecutor($0.model, winograd: winograd).run(input).values }
      #expect(outputs[0].map(\.bitPattern) == outputs[1].map(\.bitPattern))
      // What a sampling process holds of the weights: the packed ones, and what no layer packs.
      let packed = try FloatExecutor(left.model, winograd: winograd).weightBytes
      let held = packed + left.model.parameters.values.reduce(0) { $0 + 4 * $1.count }
      #expect(Double(held) <= 1.25 * Double(packed), "\(held) bytes for \(packed) of packed weights")
    }
  }

  /// A file that shrinks between two looks at it is an error, never a trap.
  @Test func aFileThatIsCutIsReported() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "halftone-deferred-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.copyItem(
      at: Self.root.appending(path: "models/fashion-mnist-ddpm").resolvingSymlinksInPath(), to: folder)
    let source = try open(folder.path, .packed)
    let weights = folder.appending(path: "unet/diffusion_pytorch_model.safetensors")
    let handle = try FileHandle(forWritingTo: weights)
    try handle.truncate(atOffset: 100_000)
    try handle.close()
    do {
      _ = try FloatExecutor(source.model)
      Issue.record("a weight was read from beyond the end of its file")
    } catch {
      let message = try #require(error as? any HalftoneError).message
      #expect(message.contains("diffusion_pytorch_model.safetensors"), "\(message)")
    }
  }
}
