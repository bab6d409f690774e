import Formats
import Foundation
import Graphs
import Networks
import Tensors
import Testing

/// A first stage in a file of an original program, and recorded calls of it (Tests/Fixtures/checkpoints).
package struct GoldenFirstStage: CustomTestStringConvertible, Sendable {
  package let folder: String
  package let file: String
  /// What stands before the arrays' names in the recordings.
  package let prefix: String
  package var testDescription: String { folder }

  package static let compvis: [GoldenFirstStage] = [
    .init("f3-ldm4-uncond", "model.ckpt", "fs/"), .init("f3-ldm8-churches", "model.ckpt", "fs/"),
    .init("f4-kl-f8", "model.ckpt", ""), .init("f4-vq-f4", "model.ckpt", ""),
  ]

  private init(_ folder: String, _ file: String, _ prefix: String) {
    self.folder = folder
    self.file = file
    self.prefix = prefix
  }

  package static func named(_ folder: String) throws -> GoldenFirstStage {
    try #require(compvis.first { $0.folder == folder })
  }

  package func path(_ name: String) -> String { Fixtures.path("checkpoints/\(folder)/\(name)") }

  package func document() throws -> CheckpointDocument {
    CheckpointDocument(file: "config.yaml", value: try YAML.read(path("config.yaml")))
  }

  /// The first stage's arrays, and the diffusion model's scale where it stands with them.
  package func source() throws -> (weights: any WeightSource, scaleFactor: Double?, isAlone: Bool) {
    let checkpoint = try Checkpoint(path(file))
    let buffers = checkpoint.groups["buffers"]
    let factor = try buffers?.entry("scale_factor").map { _ in
      try #require(try buffers?.read("scale_factor").doubles().first)
    }
    guard let stage = checkpoint.groups["first_stage_model"] else { return (checkpoint.weights, factor, true) }
    return (stage, factor, false)
  }

  package func reading(document: Bool = true) throws -> FirstStageReading {
    let (weights, factor, isAlone) = try source()
    return try FirstStageCheckpoint.read(
      weights, document: document ? self.document() : nil, scaleFactor: factor, isAlone: isAlone)
  }

  /// - Parameters: latent: the latents' size; transform: what each stored array is replaced by before loading.
  package func model(
    _ side: FirstStageSide, latent: SampleSize,
    _ transform: (String, StoredTensor) -> StoredTensor = { _, tensor in tensor }
  ) throws -> Model {
    let reading = try reading()
    var archive = try TensorArchive(reading: RetainedSource(source().weights))
    for (name, tensor) in archive.tensors { archive.tensors[name] = transform(name, tensor) }
    return try Model.load(
      graph: reading.configuration.graph(side, latent: latent), archive: archive, file: file,
      layout: FirstStageLayout(reading.layout, side: side))
  }

  package func codebook() throws -> Codebook {
    Codebook(try #require(try source().weights.read("quantize.embedding.weight").floats()))
  }

  /// A recorded array; nil where the recording has none of that name.
  package func array(_ name: String, in recording: String = "io.npz") throws -> Tensor? {
    try NPZ.read(path(recording)).tensors[prefix + name]?.floats()
  }

  package func indices(_ name: String) throws -> [Int] {
    try #require(try NPZ.read(path("io.npz")).tensors[prefix + name]).doubles().map { Int($0) }
  }
}

/// A source of any kind as one of a known kind.
private struct RetainedSource: WeightSource {
  let base: any WeightSource
  init(_ base: any WeightSource) { self.base = base }
  var label: String { base.label }
  var entries: [WeightEntry] { base.entries }
  func entry(_ name: String) -> WeightEntry? { base.entry(name) }
  func read(_ name: String, rows: Range<Int>?) throws -> StoredTensor { try base.read(name, rows: rows) }
}

extension Tensor {
  /// Height and width of images N C H W.
  package var sampleSize: SampleSize { SampleSize(height: dims[2], width: dims[3]) }
}
