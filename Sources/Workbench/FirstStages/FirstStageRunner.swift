import Diffusion
import Execution
import Graphs
import Networks
import Tensors

/// One side of a first stage at work on latents of one size, in pieces that fit a fixed bound of memory.
package struct FirstStageRunner: Sendable {
  package let network: FirstStageNetwork
  package let latentShape: ImageShape
  package let imageShape: ImageShape
  private let tiles: TiledNetwork
  private let pool: WorkerPool
  /// Images that one call takes.
  package let batch: Int

  /// Working memory of the images in flight at once; larger images are worked on one by one, by all threads.
  private static let bytesInFlight = 256 << 20

  /// - Parameters:
  ///   - latent: height and width of latents.
  ///   - tile: nil for the standard rule.
  ///   - executor: what runs the denoiser, or what was asked for.
  /// - Throws: when the network's weights or working memory do not fit.
  package init(
    _ network: FirstStageNetwork, latent: SampleSize, tile: TileArgument?, executor: ExecutorKind, compute: Compute
  ) throws {
    let configuration = network.configuration
    let geometry = TileArgument.geometry(tile, latent: latent)
    let model = try network.model(latent: TileArgument.pieceSize(tile, latent: latent))
    let kind = Self.executor(for: executor, network.table)
    let made = try kind.executor(for: model, table: network.table, compute: compute)
    let (inScale, outScale) = network.side == .decoder ? (1, configuration.factor) : (configuration.factor, 1)
    tiles = try TiledNetwork(
      made.executor, graph: model.graph, geometry: geometry, height: latent.height, width: latent.width,
      inScale: inScale, outScale: outScale)
    let inFlight = MemoryBudget.product(made.arenaBytes, min(compute.batch, compute.pool.threads))
    batch = inFlight > Self.bytesInFlight ? 1 : compute.batch
    self.network = network
    pool = compute.pool
    latentShape = ImageShape(channels: configuration.latentChannels, height: latent.height, width: latent.width)
    let size = configuration.imageSize(of: latent)
    let channels = configuration.imageChannels
    imageShape = ImageShape(
      channels: network.side == .decoder ? channels.decoded : channels.encoded, height: size.height, width: size.width)
  }

  /// A float network beside an integer denoiser is run by direct sums, whose bits are the same on every instruction set, so that the
  /// images of a quantised model stay so too.
  private static func executor(for kind: ExecutorKind, _ table: QuantizationTable) -> ExecutorKind {
    kind == .integer && table.weights.isEmpty ? .float : kind
  }

  /// Pieces of work of one image.
  package var tileCount: Int { tiles.tileCount }

  /// Images of latents in the denoiser's units. - Precondition: this is a decoder.
  /// - Parameters: latents: N C H W; name: what messages call image k; tileDone: is called after each piece.
  /// - Throws: `E-STAGE-VALUE` where a value is no finite number.
  package func decode(
    _ latents: Tensor, name: (Int) -> String, tileDone: () throws -> Void = {}
  ) throws -> Tensor {
    precondition(network.side == .decoder)
    try check(latents) { "\(name($0))'s latents" }
    let images = try tiles.run(values(of: latents), tileDone: tileDone)
    try check(images) { "what the decoder makes of \(name($0))" }
    return images
  }

  /// What a decoder's network is given for latents in the denoiser's units: the first stage's values, as its form has made them.
  private func values(of latents: Tensor) -> Tensor {
    let configuration = network.configuration
    let z = (configuration.scale ?? .identity).values(latents)
    return switch configuration.form {
    case .gaussian: z
    case .codebook: network.codebook?.quantized(z, pool: pool) ?? z
    case .bounded(let bound): z.softlyBounded(by: bound)
    }
  }

  /// Everything that a decoder's network is given for some latents, tile by tile. - Precondition: this is a decoder.
  func pieces(of latents: Tensor) -> Tensor {
    precondition(network.side == .decoder)
    return tiles.pieces(of: values(of: latents))
  }

  /// Latents of images in [-1, 1], in the denoiser's units. - Precondition: this is an encoder.
  /// - Parameter noise: standard normals that latents are drawn with; nil for the likeliest ones. Forms without a distribution take
  ///   none.
  package func encode(
    _ images: Tensor, noise: Tensor?, name: (Int) -> String, tileDone: () throws -> Void = {}
  ) throws -> Tensor {
    precondition(network.side == .encoder)
    var z = try tiles.run(images, tileDone: tileDone)
    if network.configuration.form == .gaussian {
      let moments = GaussianMoments(z)
      z = noise.map(moments.sample) ?? moments.mean
    }
    let latents = (network.configuration.scale ?? .identity).latents(z)
    try check(latents) { "what the encoder makes of \(name($0))" }
    return latents
  }

  private func check(_ batch: Tensor, _ what: (Int) -> String) throws(FirstStageError) {
    guard let bad = batch.values.firstIndex(where: { !$0.isFinite }) else { return }
    throw .notFinite(what: what(bad / (batch.count / batch.dims[0])))
  }
}
