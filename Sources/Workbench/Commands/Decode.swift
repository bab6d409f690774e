import Networks
import Tensors

/// `decode`: images of latents, by the decoder of a model.
package struct DecodeCommand: Sendable {
  package var latents: String
  package var options: StageOptions

  package init(latents: String, options: StageOptions) {
    self.latents = latents
    self.options = options
  }

  package func run(_ session: Session) throws {
    let source = try session.openFirstStage(options.model, options.source)
    let set = try LatentSet(latents, console: session.console)
    try set.check(for: source.configuration)
    let stage = try StageRun(
      source, .decoder, latent: SampleSize(height: set.shape.height, width: set.shape.width), options: options)
    let run = try stage.folder("decode", input: [("latents", .string(set.digest))], session: session)
    let store = ImageStore(
      folder: run.path, shape: stage.runner.imageShape, seed: nil, modelDigest: stage.network.digest,
      runDigest: "sha256:" + run.identity.digest)
    let positions = Dictionary(uniqueKeysWithValues: set.indices.enumerated().map { ($1, $0) })
    let outcome = try store.fill(
      set.indices, batch: stage.runner.batch, title: "decoding", pieces: stage.runner.tileCount, session: session,
      log: run.log
    ) { images, tileDone in
      let found = try images.compactMap { positions[$0] }.map { try set.values($0..<($0 + 1)) }
      return try stage.runner.decode(.stacked(found), name: { "image \(images[$0])" }, tileDone: tileDone)
    }
    try stage.report(outcome, count: set.count, what: "images", store: store, run: run, session: session)
  }
}
