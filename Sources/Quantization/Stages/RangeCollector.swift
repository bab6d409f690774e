import Models
import Synchronization
import Tensors

/// Watches sites during calibration passes and folds what they see into one range per site: a range per batch, and over
/// batches either the union of the ranges or their exponential moving average, which the first batch initialises.
package final class RangeCollector: Sendable {
  private struct Batch {
    var extremes: ValueRange
    var points = WeightedPoints()
  }

  private struct State {
    var batch: [Site: Batch] = [:]
    var running: [Site: ValueRange] = [:]
    var broken: Set<Site> = []
  }

  /// What messages call the collecting.
  static let work = "ranges were collected"

  private let sites: Set<Site>
  private let estimator: RangeEstimator
  private let decay: Double?
  private let rule: GridRule
  private let state = Mutex(State())

  package init(sites: [Site], estimator: RangeEstimator, decay: Double?, rule: GridRule) {
    self.sites = Set(sites)
    self.estimator = estimator
    self.decay = decay
    self.rule = rule
  }

  /// The executor's observer.
  package func observe(_ site: Site, _ value: Tensor) {
    guard sites.contains(site) else { return }
    guard let extremes = ValueRange(of: value.values) else {
      return state.withLock { state in _ = state.broken.insert(site) }
    }
    state.withLock { state in
      var batch = state.batch[site] ?? Batch(extremes: extremes)
      batch.extremes = batch.extremes.union(extremes)
      if estimator.searches { batch.points.append(value.values, extremes: extremes) }
      state.batch[site] = batch
    }
  }

  /// Sites that have shown a value that is not finite, in the order of names.
  package var broken: [Site] { state.withLock { $0.broken.sorted() } }

  /// Ends a batch: its ranges join the running ones.
  package func endBatch() {
    state.withLock { state in
      for (site, batch) in state.batch {
        let range = estimator.range(of: batch.points, extremes: batch.extremes, rule: rule)
        state.running[site] =
          state.running[site].map { running in
            decay.map { running.averaged(with: range, decay: $0) } ?? running.union(range)
          } ?? range
      }
      state.batch = [:]
    }
  }

  /// The ranges since the last call; the collector starts over.
  package func take() -> [Site: ValueRange] {
    state.withLock { state in
      defer { state.running = [:] }
      return state.running
    }
  }
}
