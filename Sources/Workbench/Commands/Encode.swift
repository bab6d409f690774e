import Diffusion
import Formats
import Networks
import Tensors

/// `encode`: latents of images, by the encoder of a model.
package struct EncodeCommand: Sendable {
  package var images: String
  package var options: StageOptions
  /// Seed of the noise that latents are drawn with from their distributions; nil for the likeliest latents.
  package var seed: UInt64?
  package var recursive: Bool

  package init(images: String, options: StageOptions, seed: UInt64?, recursive: Bool) {
    self.images = images
    self.options = options
    self.seed = seed
    self.recursive = recursive
  }

  package func run(_ session: Session) throws {
    let source = try session.openFirstStage(options.model, options.source)
    let set = try ImageSources.open(images, options: ImageSourceOptions(recursive: recursive))
    session.console.notes(listedLines(set.skipped.map { "passed over \($0)" }))
    let configuration = source.configuration
    let (shape, channels) = (set.shape, configuration.imageChannels.encoded)
    guard shape.channels == channels else {
      throw FirstStageError.inputChannels(what: images, found: shape.channels, expected: channels)
    }
    let size = SampleSize(height: shape.height, width: shape.width)
    guard let latent = configuration.latentSize(of: size) else {
      throw FirstStageError.size(what: images, size: size, factor: configuration.factor)
    }
    if seed != nil, configuration.form != .gaussian {
      throw FirstStageError.noDistribution(path: source.path)
    }
    let stage = try StageRun(source, .encoder, latent: latent, options: options)
    let seedValue = seed.map { seed in
      Int(exactly: seed).map { ConfigurationValue.integer($0) } ?? .string(String(seed))
    }
    let run = try stage.folder(
      "encode", input: [("images", .string(try Self.digest(of: set, session))), ("seed", seedValue ?? .null)],
      session: session)
    let store = ImageStore(
      folder: run.path, shape: stage.runner.latentShape, content: .latents, seed: seed,
      modelDigest: stage.network.digest, runDigest: "sha256:" + run.identity.digest)
    let noise = seed.map { NoiseSource(seed: $0, stream: .encode) }
    let indices = (0..<set.count).map(set.imageIndex)
    let positions = Dictionary(uniqueKeysWithValues: indices.enumerated().map { ($1, $0) })
    let outcome = try store.fill(
      indices, batch: stage.runner.batch, title: "encoding", pieces: stage.runner.tileCount, session: session,
      log: run.log
    ) { found, tileDone in
      var pixels: [UInt8] = []
      for position in found.compactMap({ positions[$0] }) {
        try set.forEachBatch(of: 1, in: position..<(position + 1)) { pixels += $0.pixels }
      }
      return try stage.runner.encode(
        PixelConversion.images(pixels, shape: shape),
        noise: noise?.normals(images: found, shape: stage.runner.latentShape, draw: .initial),
        name: { "image \(found[$0])" }, tileDone: tileDone)
    }
    try stage.report(outcome, count: set.count, what: "latents", store: store, run: run, session: session)
  }

  /// Of the images' samples, in order. What is read otherwise than files say it is named meanwhile.
  private static func digest(of set: any ImageSource, _ session: Session) throws -> String {
    var survey = ImageSurvey(set, depth: .nearest)
    var digest = Digest.Incremental()
    digest.update(Array("\(set.count) \(set.shape)\n".utf8))
    try set.forEachBatch(of: 16) {
      digest.update($0.pixels)
      survey.add($0)
    }
    survey.conversions.forEach(session.console.warn)
    return "sha256:" + digest.finish()
  }
}
