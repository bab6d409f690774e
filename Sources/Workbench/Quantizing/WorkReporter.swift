import CSystem
import Quantization
import Synchronization
import Tensors

/// Shows the progress of quantisation work, a bar per stage, and stops it when a signal asks for that.
final class WorkReporter: Sendable {
  private struct State {
    var stage = ""
    var progress: Progress?
    var done = 0
  }

  private let state = Mutex(State())
  private let session: Session

  init(_ session: Session) { self.session = session }

  /// - Throws: `Stopped` after a stop signal.
  @Sendable func report(_ work: WorkProgress) throws {
    if let signal = try session.stopSignal() {
      let kept = work.isKept ? "\(work.done) of \(work.total) \(work.unit)" : "no results"
      throw Stopped(signal: signal, progress: "\(kept) of this stage (\(work.stage))", command: session.command)
    }
    state.withLock { state in
      if state.stage != work.stage {
        state.progress?.finish(Double(state.done))
        // Stages differ in what they hold: what one has freed is not counted beside what the next one needs.
        ht_return_memory()
        state.stage = work.stage
        state.progress = Progress(work.stage, unit: work.unit, total: work.total, console: session.console)
      }
      state.done = work.done
      state.progress?.update(Double(work.done))
    }
  }

  func finish() {
    state.withLock { state in
      state.progress?.finish(Double(state.done))
      state = State()
    }
  }
}
