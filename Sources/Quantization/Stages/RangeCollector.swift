import Execution
import Graphs
import Synchronization
import Tensors

/// Watches sites during calibration passes and folds what they see into one range per site: a range per batch, and over
/// batches either the union of the ranges or their exponential moving average, which the first batch initialises.
package final class RangeCollector: Sendable {
  /// Of one stretch of a site's channels.
  private struct Batch {
    var extremes: ValueRange
    var points = WeightedPoints()
  }

  private struct State {
    var batch: [Site: [Batch]] = [:]
    var running: [Site: [ValueRange]] = [:]
    var broken: Set<Site> = []
  }

  /// What messages call the collecting.
  static let work = "ranges were collected"

  private let forms: [Site: SiteForm]
  private let estimator: RangeEstimator
  private let decay: Double?
  private let state = Mutex(State())

  /// - Parameter forms: of the sites to watch.
  package init(forms: [Site: SiteForm], estimator: RangeEstimator, decay: Double?) {
    self.forms = forms
    self.estimator = estimator
    self.decay = decay
  }

  /// Watches the collector's sites: for extremes, unless the estimator searches among the values.
  package var observer: SiteObserver {
    let watches: @Sendable (Site) -> Bool = { [forms] in forms[$0] != nil }
    return estimator.searches
      ? SiteObserver(watching: watches, receive: observe)
      : SiteObserver(watching: watches, extremes: observe, orValues: observe)
  }

  package func observe(_ site: Site, _ extremes: SiteExtremes) {
    guard let form = forms[site] else { return }
    if !extremes.isFinite { return state.withLock { state in _ = state.broken.insert(site) } }
    add(form.parts(of: extremes).map { Batch(extremes: $0) }, at: site)
  }

  package func observe(_ site: Site, _ value: Tensor) {
    guard let form = forms[site] else { return }
    var found: [Batch] = []
    for part in form.parts(of: value) {
      guard let extremes = ValueRange(of: part) else {
        return state.withLock { state in _ = state.broken.insert(site) }
      }
      var batch = Batch(extremes: extremes)
      if estimator.searches { batch.points.append(part, extremes: extremes) }
      found.append(batch)
    }
    add(found, at: site)
  }

  private func add(_ found: [Batch], at site: Site) {
    state.withLock { state in
      guard var known = state.batch[site] else { return state.batch[site] = found }
      for (part, batch) in found.enumerated() {
        known[part].extremes = known[part].extremes.union(batch.extremes)
        known[part].points.append(batch.points)
      }
      state.batch[site] = known
    }
  }

  /// Sites that have shown a value that is not finite, in the order of names.
  package var broken: [Site] { state.withLock { $0.broken.sorted() } }

  /// Ends a batch: its ranges join the running ones.
  package func endBatch() {
    state.withLock { state in
      for (site, batches) in state.batch {
        guard let rule = forms[site]?.rule else { continue }
        let ranges = batches.map { estimator.range(of: $0.points, extremes: $0.extremes, rule: rule) }
        state.running[site] =
          state.running[site].map { running in
            zip(running, ranges).map { old, new in
              decay.map { old.averaged(with: new, decay: $0) } ?? old.union(new)
            }
          } ?? ranges
      }
      state.batch = [:]
    }
  }

  /// The ranges since the last call, one per stretch of a site's channels; the collector starts over.
  package func take() -> [Site: [ValueRange]] {
    state.withLock { state in
      defer { state.running = [:] }
      return state.running
    }
  }
}
