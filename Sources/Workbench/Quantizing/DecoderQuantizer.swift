import Diffusion
import Evaluation
import Execution
import Formats
import Graphs
import Networks
import Quantization
import Tensors

/// Quantises the decoder of a latent model, on the latents that the model's own trajectories end in.
package struct DecoderQuantizer {
  /// The quantised decoder, and how far its images are from the float decoder's.
  package struct Result: Sendable {
    package let component: QuantizedModel.Component
    /// Pairs of images from latents that were not calibrated on, in 8-bit samples.
    package let quality: PairedQuality
  }

  /// A recipe that is complete and that decoders can follow.
  package static let standardRecipe = "decoder-w8a8"

  package let source: ModelSource
  package let prepared: PreparedRecipe
  package let compute: Compute
  private let decoder: FirstStageNetwork
  private let latent: SampleSize
  private let guidance: GuidanceSetting?

  /// Latents that the result is measured on.
  private static let measured = 8
  /// What stands for nobody's trajectory number among those of calibration sets.
  private static let firstMeasured = Recipe.largestTrajectoryCount

  /// - Throws: `E-MODEL-COMPONENT` for a model without a first stage; what a decoder's recipe may not say.
  package init(
    source: ModelSource, prepared: PreparedRecipe, compute: Compute, guidance: GuidanceOptions = GuidanceOptions()
  ) throws {
    guard let firstStage = source.pipeline.firstStage else {
      throw FirstStageError.missing(path: source.path, side: .decoder, holds: "a denoiser alone")
    }
    try prepared.recipe.checkWithoutSteps(file: prepared.name)
    self.source = source
    self.prepared = prepared
    self.compute = compute
    self.guidance = try guidance.setting(for: source)
    decoder = try firstStage.network(.decoder)
    let shape = source.model.graph.imageShape
    latent = SampleSize(height: shape.height, width: shape.width)
    _ = try prepared.recipe.selection(in: try network().graph)
  }

  /// How the component says it was made.
  var origin: QuantizedModel.Component.Origin { .init(networkDigest: decoder.digest, recipe: prepared.recipe) }

  /// Bytes of the float decoder.
  var floatBytes: Int { 4 * decoder.valueCount }

  /// - Parameter folder: where values lie that memory does not hold.
  package func make(folder: String?, session: Session) throws -> Result {
    let runner = try runner(decoder, .winograd)
    let count = prepared.recipe.calibration.trajectories
    let latents = try latents(0..<count, "sampling latents", session)
    let reporter = WorkReporter(session)
    let (pool, kernels) = (compute.pool, compute.kernels)
    let pieces = runner.pieces(of: latents)
    let task = try QuantizationTask(
      model: try network(), recipe: prepared.recipe,
      set: InputSet(
        pieces, networkDigest: decoder.digest, sampler: prepared.sampler.configuration,
        calibration: prepared.recipe.calibration),
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
    let quantized = decoder.quantized(as: made, recipe: prepared.recipe)
    return Result(
      component: try quantized.component(latent: latent),
      quality: try DecoderComparison(
        float: runner, quantized: try self.runner(quantized, .integer)
      ).quality(
        try self.latents(Self.firstMeasured..<(Self.firstMeasured + Self.measured), "sampling other latents", session)))
  }

  private func network() throws -> Model {
    try decoder.model(latent: TileArgument.pieceSize(latent: latent))
  }

  private func runner(_ network: FirstStageNetwork, _ executor: ExecutorKind) throws -> FirstStageRunner {
    try FirstStageRunner(network, latent: latent, tile: nil, executor: executor, compute: compute)
  }

  /// Ends of trajectories of the float denoiser.
  private func latents(_ numbers: Range<Int>, _ title: String, _ session: Session) throws -> Tensor {
    let denoiser = try source.denoiser(guidance: guidance, compute: compute)
    let calibration = prepared.recipe.calibration
    let schedule = try source.process.schedule
    let reporter = WorkReporter(session)
    var ends: [Tensor] = []
    for start in stride(from: numbers.lowerBound, to: numbers.upperBound, by: compute.batch) {
      let images = Array(start..<min(start + compute.batch, numbers.upperBound))
      var loop = try SamplingLoop(
        denoiser: denoiser, schedule: schedule, sampler: prepared.sampler, images: images,
        conditioning: try calibration.conditioning(of: images, form: denoiser.conditioning),
        noise: NoiseSource(seed: UInt64(calibration.seed), stream: .calibrate))
      while try loop.next() != nil {
        let done = (start - numbers.lowerBound) * loop.steps.count + images.count * loop.completed
        try reporter.report(
          WorkProgress(stage: title, unit: "steps", done: done, total: numbers.count * loop.steps.count))
      }
      ends.append(loop.x)
    }
    reporter.finish()
    return .stacked(ends)
  }
}
