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
    var (outcome, rest) = (Outcome(), range.lowerBound...)
    let progress = Progress(title, unit: "images", total: range.count, console: session.console)
    let clock = ContinuousClock()
    while true {
      let kept = outcome.kept
      let images = missing(in: range, from: &rest, of: store, outcome: &outcome, session: session, log: log)
      progress.inherit(outcome.kept - kept)
      if images.isEmpty { break }
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
      for (row, index) in images.enumerated() { try store.write(loop.x, row: row, index: index) }
      outcome.drawn += images.count
      if let signal = Signals.pending, outcome.kept + outcome.drawn < range.count {
        progress.finish(Double(done + images.count))
        throw stopped(signal, done + images.count, range.count, session)
      }
    }
    if outcome.drawn > 0 { progress.finish(Double(range.count)) }
    log.info(
      "images", metadata: ["kept": "\(outcome.kept)", "drawn": "\(outcome.drawn)", "replaced": "\(outcome.replaced)"])
    return outcome
  }

  /// The next batch of images that are not there, whatever the number of those that follow: nothing is listed first.
  /// - Parameter rest: where to look; the images after the batch, afterwards.
  private func missing(
    in range: ClosedRange<Int>, from rest: inout PartialRangeFrom<Int>, of store: ImageStore, outcome: inout Outcome,
    session: Session, log: Logger
  ) -> [Int] {
    var missing: [Int] = []
    while missing.count < batch, rest.lowerBound <= range.upperBound {
      let index = rest.lowerBound
      rest = (index + 1)...
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
