import Diffusion
import Formats
import Logging
import Tensors

/// Draws the images of a run that are not there yet, a batch at a time. Image k depends on model, sampler, noise and its
/// label alone, so it does not matter which images were drawn before, or together.
package struct ImageSampler {
  package let denoiser: any Denoiser
  package let process: DiffusionProcess
  package let sampler: any Sampler
  package let noise: any NoiseProvider
  package let conditioning: ImageConditioning
  package let batch: Int
  /// What makes images of samples; nil where samples are kept as they are.
  package let decoder: FirstStageRunner?

  package init(
    denoiser: any Denoiser, process: DiffusionProcess, sampler: any Sampler, noise: any NoiseProvider,
    conditioning: ImageConditioning, batch: Int, decoder: FirstStageRunner? = nil
  ) {
    self.decoder = decoder
    self.denoiser = denoiser
    self.process = process
    self.sampler = sampler
    self.noise = noise
    self.conditioning = conditioning
    self.batch = batch
  }

  /// What became of a range of images.
  package struct Outcome: Sendable {
    /// Found finished.
    package var kept = 0
    package var drawn = 0
    /// Of the drawn ones, those that replaced a file that could not be used.
    package var replaced = 0
    /// Time spent in the network and the sampler.
    package var duration = Duration.zero
  }

  /// - Parameter title: what progress calls the work.
  /// - Throws: `Stopped` after a stop signal; what is drawn by then is safe.
  package func draw(
    _ range: ClosedRange<Int>, into store: ImageStore, title: String, session: Session, log: Logger
  ) throws -> Outcome {
    try store.removeStale()
    var pass = DrawingPass(self, into: store, total: range.count, title: title, session: session, log: log)
    try pass.draw(range)
    return pass.finish()
  }

  /// The trajectory of a batch of images.
  package func trajectory(_ images: [Int]) throws -> SamplingLoop {
    try SamplingLoop(
      denoiser: denoiser, schedule: process.schedule, sampler: sampler, images: images,
      conditioning: conditioning(images), noise: noise)
  }
}
