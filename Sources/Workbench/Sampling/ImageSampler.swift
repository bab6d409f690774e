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

  package init(
    denoiser: any Denoiser, process: DiffusionProcess, sampler: any Sampler, noise: any NoiseProvider,
    conditioning: ImageConditioning, batch: Int
  ) {
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
    var outcome = Outcome()
    let missing = missing(in: range, of: store, outcome: &outcome, session: session, log: log)
    let progress = Progress(
      title, unit: "images", total: range.count, inherited: outcome.kept, console: session.console)
    let clock = ContinuousClock()
    for start in stride(from: 0, to: missing.count, by: batch) {
      let images = Array(missing[start..<min(start + batch, missing.count)])
      let done = outcome.kept + outcome.drawn
      let began = clock.now
      var loop = try trajectory(images)
      while try loop.next() != nil {
        if let signal = Signals.pending, !signal.finishesBatch {
          progress.finish(Double(done))
          throw stopped(signal, done, range.count, session)
        }
        progress.update(Double(done) + Double(images.count * loop.completed) / Double(loop.steps.count))
      }
      outcome.duration += clock.now - began
      for (row, index) in images.enumerated() { try store.write(PixelImage(loop.x, image: row), index: index) }
      outcome.drawn += images.count
      if let signal = Signals.pending, outcome.drawn < missing.count {
        progress.finish(Double(done + images.count))
        throw stopped(signal, done + images.count, range.count, session)
      }
    }
    if outcome.drawn > 0 { progress.finish(Double(range.count)) }
    log.info(
      "images", metadata: ["kept": "\(outcome.kept)", "drawn": "\(outcome.drawn)", "replaced": "\(outcome.replaced)"])
    return outcome
  }

  private func missing(
    in range: ClosedRange<Int>, of store: ImageStore, outcome: inout Outcome, session: Session, log: Logger
  ) -> [Int] {
    var missing: [Int] = []
    for index in range {
      switch store.state(of: index) {
      case .intact: outcome.kept += 1
      case .absent: missing.append(index)
      case .unusable(let reason):
        outcome.replaced += 1
        missing.append(index)
        log.warning("drawing an image again", metadata: ["image": "\(index)", "reason": "\(reason)"])
        session.console.note("\(reason); drawing image \(index) again")
      }
    }
    return missing
  }

  /// The trajectory of a batch of images.
  package func trajectory(_ images: [Int]) throws -> SamplingLoop {
    try SamplingLoop(
      denoiser: denoiser, schedule: process.schedule, sampler: sampler, images: images,
      conditioning: conditioning(images), noise: noise)
  }

  private func stopped(_ signal: StopSignal, _ done: Int, _ total: Int, _ session: Session) -> Stopped {
    Stopped(signal: signal, progress: "\(done) of \(total) images", command: session.command)
  }
}
