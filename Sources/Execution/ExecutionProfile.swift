import Synchronization

/// Where an executor's time goes, by kind of work, summed over images and workers. Two clock readings per step: a run that
/// is profiled is slower by less than a percent.
package final class ExecutionProfile: Sendable {
  package struct Entry: Sendable {
    package let work: String
    package var calls = 0
    package var seconds = 0.0
  }

  private let entries = Mutex<[String: Entry]>([:])

  package init() {}

  /// Longest first.
  package var byTime: [Entry] {
    entries.withLock { $0.values.sorted { ($0.seconds, $1.work) > ($1.seconds, $0.work) } }
  }

  func measure<R>(_ work: String, _ body: () -> R) -> R {
    let clock = ContinuousClock()
    let began = clock.now
    let result = body()
    let seconds = (clock.now - began) / .seconds(1)
    entries.withLock {
      $0[work, default: Entry(work: work)].calls += 1
      $0[work]!.seconds += seconds
    }
    return result
  }
}
