import Formats
import Logging
import Tensors

extension ImageStore {
  /// The next images that are not there, whatever the number of those that follow: nothing is listed first.
  /// - Parameters:
  ///   - count: how many at the most.
  ///   - rest: indices to look at; those after the result, afterwards.
  ///   - known: of the unit that they lie in. An image that is whole and not what it says counts as missing: either of them changed,
  ///     and only drawing again tells which.
  ///   - outcome: counts what is found.
  func missing(
    _ count: Int, from rest: inout some IteratorProtocol<Int>, known: UnitRecord? = nil,
    outcome: inout ImageSampler.Outcome, session: Session, log: Logger
  ) -> [Int] {
    var missing: [Int] = []
    while missing.count < count, let index = rest.next() {
      switch state(of: index, known) {
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

  private func state(of index: Int, _ known: UnitRecord?) -> State {
    let (state, content) = examine(index)
    guard let known, let content, let digest = known.digest(of: index), digest != Digest.sha256(content) else {
      return state
    }
    return .unusable(reason: "\(printable(path(of: index))) is not what the record of unit \(known.unit.number) says")
  }

  /// Makes what is not there yet, a batch at a time: images of latents, or latents of images.
  /// - Parameters:
  ///   - indices: of everything, ascending.
  ///   - title: what progress calls the work.
  ///   - pieces: of work for each.
  ///   - make: N C H W of some indices; calls its second argument after each piece.
  /// - Throws: `Stopped` after a stop signal; what is made by then is safe.
  func fill(
    _ indices: [Int], batch: Int, title: String, pieces: Int, session: Session, log: Logger,
    make: (_ indices: [Int], _ pieceDone: () throws -> Void) throws -> Tensor
  ) throws -> ImageSampler.Outcome {
    try removeStale()
    var (outcome, rest) = (ImageSampler.Outcome(), indices.makeIterator())
    let progress = Progress(title, unit: "images", total: indices.count, console: session.console)
    let clock = ContinuousClock()
    func stop(_ signal: StopSignal) -> Stopped {
      let done = outcome.kept + outcome.drawn
      progress.finish(Double(done))
      return Stopped(signal: signal, progress: "\(done) of \(indices.count) images", command: session.command)
    }
    while true {
      let kept = outcome.kept
      let images = missing(batch, from: &rest, outcome: &outcome, session: session, log: log)
      progress.inherit(outcome.kept - kept)
      if images.isEmpty { break }
      let done = outcome.kept + outcome.drawn
      let began = clock.now
      var finished = 0
      let made = try make(images) {
        finished += 1
        if let signal = try session.stopSignal(), !signal.finishesBatch { throw stop(signal) }
        progress.update(Double(done) + Double(finished) / Double(pieces))
      }
      outcome.duration += clock.now - began
      for (row, index) in images.enumerated() { try write(made, row: row, index: index) }
      outcome.drawn += images.count
      if let signal = try session.stopSignal(), outcome.kept + outcome.drawn < indices.count { throw stop(signal) }
    }
    if outcome.drawn > 0 { progress.finish(Double(indices.count)) }
    log.info(
      "images", metadata: ["kept": "\(outcome.kept)", "made": "\(outcome.drawn)", "replaced": "\(outcome.replaced)"])
    return outcome
  }
}
