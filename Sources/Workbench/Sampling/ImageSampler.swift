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
    var (outcome, rest) = (Outcome(), range.makeIterator())
    let progress = Progress(title, unit: "images", total: range.count, console: session.console)
    let clock = ContinuousClock()
    while true {
      let kept = outcome.kept
      let images = store.missing(batch, from: &rest, outcome: &outcome, session: session, log: log)
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
      try write(loop.x, images, to: store, session: session) { signal in
        progress.finish(Double(done))
        return stopped(signal, done, range.count, session)
      }
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

  /// Writes a batch of samples, or the images that the decoder makes of them, a few at a time.
  /// - Parameter stop: what a stop signal ends the work with.
  private func write(
    _ samples: Tensor, _ images: [Int], to store: ImageStore, session: Session, stop: (StopSignal) -> Stopped
  ) throws {
    guard let decoder else {
      for (row, index) in images.enumerated() { try store.write(samples, row: row, index: index) }
      return
    }
    let progress = Progress("decoding", unit: "images", total: images.count, console: session.console)
    var tiles = 0
    for start in stride(from: 0, to: images.count, by: decoder.batch) {
      let rows = start..<min(start + decoder.batch, images.count)
      let decoded = try decoder.decode(samples.rows(rows), name: { "image \(images[start + $0])" }) {
        tiles += 1
        progress.update(Double(tiles) / Double(decoder.tileCount))
        if let signal = Signals.pending, !signal.finishesBatch { throw stop(signal) }
      }
      for (row, position) in rows.enumerated() { try store.write(decoded, row: row, index: images[position]) }
    }
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
