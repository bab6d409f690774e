import Diffusion
import Formats
import Logging
import Tensors

/// One pass over images that are to be there, a range after another, with one bar of progress and one outcome: what a run draws as one
/// range, and a shard unit by unit.
struct DrawingPass {
  private let sampler: ImageSampler
  private let store: ImageStore
  private let total: Int
  private let session: Session
  private let log: Logger
  private let progress: Progress
  private var outcome = ImageSampler.Outcome()

  /// - Parameters: total: images of all ranges; title: what progress calls the work.
  init(
    _ sampler: ImageSampler, into store: ImageStore, total: Int, title: String, session: Session, log: Logger
  ) {
    self.sampler = sampler
    self.store = store
    self.total = total
    self.session = session
    self.log = log
    progress = Progress(title, unit: "images", total: total, console: session.console)
  }

  private var done: Int { outcome.kept + outcome.drawn }

  /// Draws those of a range that are not there, or not what is known of them.
  /// - Returns: how many were drawn.
  /// - Throws: `Stopped` after a stop signal; what is drawn by then is safe.
  @discardableResult mutating func draw(_ range: ClosedRange<Int>, known: UnitRecord? = nil) throws -> Int {
    let drawn = outcome.drawn
    var rest = range.makeIterator()
    let clock = ContinuousClock()
    while true {
      let kept = outcome.kept
      let images = store.missing(
        sampler.batch, from: &rest, known: known, outcome: &outcome, session: session, log: log)
      progress.inherit(outcome.kept - kept)
      if images.isEmpty { break }
      let began = clock.now
      var loop = try sampler.trajectory(images)
      while try loop.next() != nil {
        if let signal = try session.stopSignal(), !signal.finishesBatch { throw stopped(signal) }
        progress.update(Double(done) + Double(images.count * loop.completed) / Double(loop.steps.count))
      }
      outcome.duration += clock.now - began
      try write(loop.x, images)
      outcome.drawn += images.count
      if let signal = try session.stopSignal(), done < total { throw stopped(signal) }
    }
    return outcome.drawn - drawn
  }

  /// What became of all ranges.
  func finish() -> ImageSampler.Outcome {
    if outcome.drawn > 0 { progress.finish(Double(total)) }
    log.info(
      "images", metadata: ["kept": "\(outcome.kept)", "drawn": "\(outcome.drawn)", "replaced": "\(outcome.replaced)"])
    return outcome
  }

  /// Closes the line of progress. - Returns: the error that ends the work.
  func stopped(_ signal: StopSignal) -> Stopped {
    progress.finish(Double(done))
    return Stopped(signal: signal, progress: "\(done) of \(total) images", command: session.command)
  }

  /// Writes a batch of samples, or the images that the decoder makes of them, a few at a time.
  private func write(_ samples: Tensor, _ images: [Int]) throws {
    guard let decoder = sampler.decoder else {
      for (row, index) in images.enumerated() { try store.write(samples, row: row, index: index) }
      return
    }
    let decoding = Progress("decoding", unit: "images", total: images.count, console: session.console)
    var tiles = 0
    for start in stride(from: 0, to: images.count, by: sampler.finishingBatch) {
      let rows = start..<min(start + sampler.finishingBatch, images.count)
      let decoded = try sampler.finished(samples, rows: rows, of: images) {
        tiles += 1
        decoding.update(Double(tiles) / Double(decoder.tileCount))
        if let signal = try session.stopSignal(), !signal.finishesBatch { throw stopped(signal) }
      }
      for (row, position) in rows.enumerated() { try store.write(decoded, row: row, index: images[position]) }
    }
  }
}
