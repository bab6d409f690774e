import Diffusion
import Evaluation
import Formats
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
  private let quantization: FirstStageQuantization
  private let guidance: GuidanceSetting?
  private var compute: Compute { quantization.compute }

  /// Latents that the result is measured on.
  private static let measured = 8
  /// Their numbers are those of no calibration set's trajectories.
  private static let firstMeasured = Recipe.largestTrajectoryCount

  /// - Throws: `E-MODEL-COMPONENT` for a model without a first stage; what a decoder's recipe may not say.
  package init(
    source: ModelSource, prepared: PreparedRecipe, compute: Compute, guidance: GuidanceOptions = GuidanceOptions()
  ) throws {
    guard let firstStage = source.pipeline.firstStage else {
      throw FirstStageError.missing(path: source.path, side: .decoder, holds: "a denoiser alone")
    }
    self.source = source
    self.prepared = prepared
    self.guidance = try guidance.setting(for: source)
    let shape = source.model.graph.imageShape
    quantization = try FirstStageQuantization(
      firstStage.network(.decoder), recipe: prepared.recipe, name: prepared.name,
      latent: SampleSize(height: shape.height, width: shape.width), compute: compute)
  }

  /// How the component says it was made.
  var origin: QuantizedModel.Component.Origin {
    .init(networkDigest: quantization.decoder.digest, recipe: prepared.recipe)
  }

  /// Bytes of the float decoder.
  var floatBytes: Int { 4 * quantization.decoder.valueCount }

  /// - Parameter folder: where values lie that memory does not hold.
  package func make(folder: String?, session: Session) throws -> Result {
    let count = prepared.recipe.calibration.trajectories
    let quantized = try quantization.make(
      on: latents(0..<count, "sampling latents", session), sampler: prepared.sampler.configuration, folder: folder,
      session: session)
    let others = try latents(
      Self.firstMeasured..<(Self.firstMeasured + Self.measured), "sampling other latents", session)
    return Result(
      component: try quantized.component(latent: quantization.latent),
      quality: try DecoderComparison(
        float: quantization.runner(quantization.decoder, .winograd),
        quantized: quantization.runner(quantized, .integer)
      ).quality(others))
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
