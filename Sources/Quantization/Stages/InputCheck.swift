import Execution
import Graphs
import Synchronization
import Tensors

extension QuantizationTask {
  /// Two calls of the float network, at the first and the last step that have samples, before any long work: values that
  /// are not finite have no range. Inputs that are zero throughout, such as a pruned block's, get the smallest grid there
  /// is, and are noted.
  func checkActivations() throws {
    // The range of attention's probabilities is known.
    let sites = Set(selection.activations.filter { model.graph.place(of: $0)?.tensor != .probabilities })
    if sites.isEmpty { return }
    let seen = Mutex<(broken: Set<Site>, ranges: [Site: ValueRange])>(([], [:]))
    let watcher = SiteObserver(watching: sites.contains) { site, value in
      let range = ValueRange(of: value.values)
      seen.withLock {
        guard let range else { return _ = $0.broken.insert(site) }
        $0.ranges[site] = $0.ranges[site]?.union(range) ?? range
      }
    }
    let executor = try makeExecutor(model, QuantizationTable(), watcher)
    let steps = set.counts.indices.filter { set.counts[$0] > 0 }
    for step in Set([steps.first, steps.last].compactMap { $0 }).sorted() {
      _ = try executor.run(try set.input(SampleSlice(step: step, range: 0..<1)))
      let broken = seen.withLock { $0.broken.sorted() }
      if !broken.isEmpty {
        throw QuantizationError.nonFiniteActivations(
          step: step, work: "the network was tried", sites: broken.map(\.description))
      }
    }
    let dead = seen.withLock { $0.ranges.filter { $0.value.lower == $0.value.upper }.keys.sorted() }
    if !dead.isEmpty {
      note(
        "note: \(dead.count) inputs are one value throughout, as those of a pruned block are, and say nothing about their "
          + "range: \(dead.prefix(5).map(\.description).joined(separator: ", "))\(dead.count > 5 ? ", …" : "")")
    }
  }
}
