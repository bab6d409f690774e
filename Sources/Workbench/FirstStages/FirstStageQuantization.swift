import Diffusion
import Execution
import Graphs
import Networks
import Quantization
import Tensors

/// Quantises a decoder on latents, wherever they come from.
struct FirstStageQuantization {
  let decoder: FirstStageNetwork
  let recipe: Recipe
  let latent: SampleSize
  let compute: Compute

  /// - Parameter name: what messages call the recipe.
  /// - Throws: what a decoder's recipe may not say, and patterns that match nothing.
  init(
    _ decoder: FirstStageNetwork, recipe: Recipe, name: String, latent: SampleSize, compute: Compute
  ) throws {
    try recipe.checkWithoutSteps(file: name)
    self.decoder = decoder
    self.recipe = recipe
    self.latent = latent
    self.compute = compute
    _ = try recipe.selection(in: try model().graph)
  }

  /// What runs a network of the decoder's kind on these latents.
  func runner(_ network: FirstStageNetwork, _ executor: ExecutorKind) throws -> FirstStageRunner {
    try FirstStageRunner(network, latent: latent, tile: nil, executor: executor, compute: compute)
  }

  /// For the largest pieces that latents are decoded in.
  private func model() throws -> Model { try decoder.model(latent: TileArgument.pieceSize(latent: latent)) }

  /// - Parameters:
  ///   - latents: N C H W, in the denoiser's units.
  ///   - sampler: what drew them.
  ///   - folder: where values lie that memory does not hold.
  func make(
    on latents: Tensor, sampler: ConfigurationValue, folder: String?, session: Session
  ) throws -> FirstStageNetwork {
    let pieces = try runner(decoder, .winograd).pieces(of: latents)
    let reporter = WorkReporter(session)
    let (pool, kernels) = (compute.pool, compute.kernels)
    let task = try QuantizationTask(
      model: try model(), recipe: recipe,
      set: InputSet(
        pieces, networkDigest: decoder.digest, sampler: sampler, calibration: recipe.calibration),
      makeExecutor: { model, table, observer in
        try FloatExecutor(
          model, simulating: table, winograd: true, pool: pool, kernels: kernels, observer: observer)
      }, pool: pool,
      progress: { work in
        try reporter.report(
          WorkProgress(stage: "decoder: \(work.stage)", unit: work.unit, done: work.done, total: work.total))
      }, folder: folder, note: { session.console.note($0) })
    let made = try task.run()
    reporter.finish()
    return try decoder.quantized(as: made, recipe: recipe)
  }
}
