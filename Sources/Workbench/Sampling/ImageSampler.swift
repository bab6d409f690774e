import Diffusion
import Formats
import Logging
import Tensors

/// Draws the images of a run that are not there yet, a batch at a time. Image k depends on model, sampler, noise and its
/// label alone, so it does not matter which images were drawn before, or together.
package struct ImageSampler: Sendable {
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

  /// Samples that images are made of at a time.
  package var finishingBatch: Int { decoder?.batch ?? batch }

  /// The images of some samples of a batch, N C H W: what the decoder makes of them, or the samples themselves.
  /// - Parameters: images: the numbers of the whole batch; pieceDone: is called after each piece of work.
  package func finished(
    _ samples: Tensor, rows: Range<Int>, of images: [Int], pieceDone: () throws -> Void
  ) throws -> Tensor {
    let part = samples.rows(rows)
    guard let decoder else { return part }
    return try decoder.decode(part, name: { "image \(images[rows.lowerBound + $0])" }, tileDone: pieceDone)
  }

  /// The trajectory of a batch of images.
  package func trajectory(_ images: [Int]) throws -> SamplingLoop {
    try SamplingLoop(
      denoiser: denoiser, schedule: process.schedule, sampler: sampler, images: images,
      conditioning: conditioning(images), noise: noise)
  }
}
