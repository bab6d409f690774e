import Dispatch
import Synchronization

/// Work that keeps a thread busy for seconds or hours, done outside of Swift's cooperative threads, which must not block.
enum BlockingWork {
  private static let queue = DispatchQueue(label: "halftone.work", attributes: .concurrent)

  /// Runs `body` on a thread of its own while the calling task waits.
  /// - Parameter body: is given a flag that it looks at as often as it can be stopped.
  /// - Throws: `CancellationError` when the task was cancelled and the work stopped; `PipelineError`.
  static func run<Value: Sendable>(_ body: @escaping @Sendable (CancellationFlag) throws -> Value) async throws -> Value
  {
    let flag = CancellationFlag()
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        queue.async {
          let result = Result {
            try flag.check()
            return try body(flag)
          }
          continuation.resume(with: result.mapError(PipelineError.translated))
        }
      }
    } onCancel: {
      flag.set()
    }
  }
}

/// Whether the task that waits for some work was cancelled.
final class CancellationFlag: Sendable {
  private let isSet = Atomic<Bool>(false)

  func set() { isSet.store(true, ordering: .relaxed) }

  /// - Throws: `CancellationError` once the flag is set.
  func check() throws {
    if isSet.load(ordering: .relaxed) { throw CancellationError() }
  }
}
