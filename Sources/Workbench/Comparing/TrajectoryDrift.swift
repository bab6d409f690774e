import Diffusion
import Evaluation
import Formats
import Tensors

/// How far a quantised network's trajectories drift from the float network's, both on their own states from the same noise:
/// |x_q - x|^2 / |x|^2 of the states that each step leaves. Unlike `StepErrors`, errors build up here.
///
/// Finished batches stand in a journal, as there; figures do not depend on batches or interruptions.
struct TrajectoryDrift {
  let float: ImageSampler
  let quantized: ImageSampler
  let name: String

  /// - Parameter journal: path of the file that keeps what is measured.
  /// - Returns: one entry per step in execution order, pooled over images.
  /// - Throws: `Stopped` after a stop signal.
  func measure(_ images: ClosedRange<Int>, journal path: String, session: Session) throws -> [SignalToNoise] {
    let journal = try StepJournal(path, networks: [name])
    let missing = images.filter { journal.entries[$0] == nil }
    let progress = Progress(
      "comparing trajectories", unit: "images", total: images.count, inherited: images.count - missing.count,
      console: session.console)
    for start in stride(from: 0, to: missing.count, by: float.batch) {
      let done = images.count - missing.count + start
      let batch = Array(missing[start..<min(start + float.batch, missing.count)])
      var drift = batch.map { _ in [SignalToNoise]() }
      var loops = try (float.trajectory(batch), quantized.trajectory(batch))
      while let reference = try loops.0.next(), let other = try loops.1.next() {
        if let signal = try session.stopSignal() {
          progress.finish(Double(done))
          throw Stopped(signal: signal, progress: "\(done) of \(images.count) trajectories", command: session.command)
        }
        let found = try SignalToNoise.perImage(reference: reference.previous, other: other.previous)
        for row in batch.indices { drift[row].append(found[row]) }
        progress.update(Double(done) + Double(batch.count * loops.0.completed) / Double(loops.0.steps.count))
      }
      try journal.append(batch.enumerated().map { row, image in (image, [drift[row]]) })
    }
    if !missing.isEmpty { progress.finish(Double(images.count)) }
    return journal.pooled(images)[0]
  }
}
