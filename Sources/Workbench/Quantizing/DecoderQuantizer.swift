import Diffusion
import Evaluation
import Formats
import Networks
import Quantization
import Synchronization
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
  private let made = Made()

  /// What was made, so that several artefacts with this decoder share it.
  private final class Made: Sendable {
    let result = Mutex<Result?>(nil)
  }

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
    if let known = made.result.withLock({ $0 }) { return known }
    let result = try quantized(folder: folder, session: session)
    made.result.withLock { $0 = result }
    return result
  }

  private func quantized(folder: String?, session: Session) throws -> Result {
    let count = prepared.recipe.calibration.trajectories
    let sampler = try sampler()
    let quantized = try quantization.make(
      on: sampler.ends(of: 0..<count, title: "sampling latents", session: session),
      sampler: prepared.sampler.configuration, folder: folder,
      session: session)
    let others = try sampler.ends(
      of: Self.firstMeasured..<(Self.firstMeasured + Self.measured), title: "sampling other latents", session: session)
    return Result(
      component: try quantized.component(latent: quantization.latent),
      quality: try DecoderComparison(
        float: quantization.runner(quantization.decoder, .winograd),
        quantized: quantization.runner(quantized, .integer)
      ).quality(others))
  }

  /// What draws trajectories of the float denoiser, by the numbers of calibration sets' trajectories.
  private func sampler() throws -> ImageSampler {
    let calibration = prepared.recipe.calibration
    // Refuse labels that the model does not have.
    _ = try calibration.conditioning(of: [0], form: source.conditioning)
    var labels: LabelCycle?
    if case .cycled(let classes) = calibration.labels, source.conditioning.classes != nil {
      labels = LabelCycle(classes)
    }
    return ImageSampler(
      denoiser: try source.denoiser(guidance: guidance, compute: compute), process: try source.process,
      sampler: prepared.sampler, noise: NoiseSource(seed: UInt64(calibration.seed), stream: .calibrate),
      conditioning: try ImageConditioning(labels: labels, form: source.conditioning), batch: compute.batch)
  }
}
