import Execution
import Formats
import Graphs
import Networks
import Tensors
import TestSupport
import Testing

/// First stages from the original programs' files compute what those programs compute.
@Suite struct FirstStageParityTests {
  private static func difference(_ a: Tensor, _ b: Tensor) -> Float {
    a.dims == b.dims ? zip(a.values, b.values).map { abs($0 - $1) }.max() ?? 0 : .infinity
  }

  /// Latents as the decoder takes them, and the images of the recording.
  private static func decoding(_ stage: GoldenFirstStage) throws -> (z: Tensor, images: Tensor) {
    let z = try #require(try stage.array("z"))
    let images = try #require(try stage.array("dec"))
    guard try stage.array("z_quantized") != nil else { return (z, images) }
    return (try stage.codebook().quantized(z, pool: .shared), images)
  }

  @Test(arguments: GoldenFirstStage.compvis)
  func decodersGiveTheOriginalsImages(_ stage: GoldenFirstStage) throws {
    let (z, images) = try Self.decoding(stage)
    let model = try stage.model(.decoder, latent: z.sampleSize)
    for executor in ParityContract.all {
      let found = try executor.make(model).run(NetworkInput(images: z))
      #expect(Self.difference(found, images) < 5e-5, "\(executor.name): \(Self.difference(found, images))")
    }
    if let plain = try stage.array("dec_not_quantized") {
      let found = try FloatExecutor(model).run(NetworkInput(images: try #require(try stage.array("z"))))
      #expect(Self.difference(found, plain) < 5e-5)
    }
  }

  @Test(arguments: GoldenFirstStage.compvis)
  func encodersGiveTheOriginalsLatents(_ stage: GoldenFirstStage) throws {
    let images = try #require(try stage.array("img"))
    let reading = try stage.reading()
    let latent = try #require(reading.configuration.latentSize(of: images.sampleSize))
    let model = try stage.model(.encoder, latent: latent)
    let expected = try #require(try stage.array("enc_prequant") ?? stage.array("enc_moments"))
    for executor in ParityContract.all {
      let found = try executor.make(model).run(NetworkInput(images: images))
      #expect(Self.difference(found, expected) < 5e-5, "\(executor.name): \(Self.difference(found, expected))")
      guard reading.configuration.form == .gaussian else { continue }
      let moments = GaussianMoments(found)
      #expect(Self.difference(moments.mean, try #require(try stage.array("enc_mode"))) < 5e-5)
      let noise = Tensor(moments.mean.dims, repeating: 1)
      let deviation = Tensor.combining(1, moments.sample(noise), -1, moments.mean)
      #expect(Self.difference(deviation, try #require(try stage.array("enc_std"))) < 5e-5)
    }
  }

  @Test(arguments: ["f3-ldm4-uncond", "f4-vq-f4"])
  func codesAreTheOriginals(_ folder: String) throws {
    let stage = try GoldenFirstStage.named(folder)
    let codebook = try stage.codebook()
    let z = try #require(try stage.array("z"))
    #expect(try codebook.indices(of: z, pool: .shared) == stage.indices("z_indices"))
    // The program adds the difference to z, so that gradients pass, which rounds.
    #expect(Self.difference(codebook.quantized(z, pool: .shared), try #require(try stage.array("z_quantized"))) < 1e-6)
    let encoded = try #require(try stage.array("enc_prequant"))
    #expect(try codebook.indices(of: encoded, pool: .shared) == stage.indices("enc_indices"))
    #expect(try codebook.indices(of: encoded, pool: WorkerPool(threads: 1)) == stage.indices("enc_indices"))
  }

  /// With weights of 1/64 of their size a wrong epsilon changes a tenth of the output.
  @Test(arguments: ["f4-kl-f8", "f4-vq-f4"])
  func epsilonsAreTheOriginals(_ folder: String) throws {
    let stage = try GoldenFirstStage.named(folder)
    func model(_ side: FirstStageSide, _ latent: SampleSize) throws -> Model {
      try stage.model(side, latent: latent) { name, tensor in
        guard !name.contains("norm"), !name.hasPrefix("quantize."), var values = tensor.floats() else { return tensor }
        for i in values.values.indices { values.values[i] /= 64 }
        return StoredTensor(values)
      }
    }
    let io = "io_eps.npz"
    var z = try #require(try stage.array("z", in: io))
    if folder == "f4-vq-f4" { z = try stage.codebook().quantized(z, pool: .shared) }
    let images = try #require(try stage.array("img", in: io))
    let latent = try #require(try stage.reading().configuration.latentSize(of: images.sampleSize))
    let moments = try #require(try stage.array("enc_prequant", in: io) ?? stage.array("enc_moments", in: io))
    let decoded = try FloatExecutor(model(.decoder, z.sampleSize)).run(NetworkInput(images: z))
    let encoded = try FloatExecutor(model(.encoder, latent)).run(NetworkInput(images: images))
    #expect(relativeError(decoded, try #require(try stage.array("dec", in: io))) < 1e-4)
    #expect(relativeError(encoded, moments) < 1e-4)
  }

  @Test(arguments: GoldenFirstStage.compvis)
  func configurationsAreWrittenAndReadAgain(_ stage: GoldenFirstStage) throws {
    let configuration = try #require(try stage.reading().configuration as? AutoencoderConfiguration)
    let text = JSONWriter.compact(configuration.encoded)
    let again = try FirstStageCatalog.decode(JSON.parse(Array(text.utf8), file: "again"), file: "again")
    #expect(again as? AutoencoderConfiguration == configuration)
  }

  /// diffusers' `VQModel` of an LDMPipeline, whose attention layers have the names of 2022.
  @Test func theDiffusersFolderGivesTheOriginalsValues() throws {
    let folder = Fixtures.path("checkpoints/f6-ldm-pipeline")
    let io = try NPZ.read(folder + "/io.npz").tensors
    let configuration = try FirstStageCatalog.decode(JSON.read(folder + "/vqvae/config.json"), file: "config.json")
    let weights = try Checkpoint(folder + "/vqvae").weights
    func run(_ side: FirstStageSide, _ x: Tensor, latent: SampleSize) throws -> Tensor {
      let model = try Model.load(
        graph: configuration.graph(side, latent: latent), from: weights,
        layout: FirstStageLayout(DiffusersLayout(), side: side))
      return try FloatExecutor(model).run(NetworkInput(images: x))
    }
    let z = try #require(io["vq/z"]?.floats())
    let codebook = Codebook(try #require(try weights.read("quantize.embedding.weight").floats()))
    let decoded = try run(.decoder, codebook.quantized(z, pool: .shared), latent: z.sampleSize)
    #expect(Self.difference(decoded, try #require(io["vq/dec"]?.floats())) < 5e-5)
    let encoded = try run(.encoder, try #require(io["vq/img"]?.floats()), latent: z.sampleSize)
    #expect(Self.difference(encoded, try #require(io["vq/enc"]?.floats())) < 5e-5)
    #expect(configuration.scale == LatentScale(factor: 0.18215))
  }
}
