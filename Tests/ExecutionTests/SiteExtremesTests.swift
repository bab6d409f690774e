import Execution
import Graphs
import Synchronization
import Tensors
import TestSupport
import Testing

/// Extremes that executors find where values lie, against the values themselves.
@Suite struct SiteExtremesTests {
  @Test("extremes of every site and channel are those of its values", arguments: ExecutorCase.all)
  func againstValues(example: ExecutorCase) throws {
    let found = Mutex<[Site: SiteExtremes]>([:])
    let values = Mutex<[Site: Tensor]>([:])
    // Attention's probabilities come in blocks of queries.
    let isWatched: @Sendable (Site) -> Bool = { example.model.graph.place(of: $0)?.tensor != .probabilities }
    let executor = try FloatExecutor(
      example.model, pool: WorkerPool(threads: 2),
      observer: SiteObserver(watching: isWatched) { site, extremes in
        found.withLock { known in
          known[site, default: extremes].formUnion(extremes)
        }
      } orValues: { site, _ in
        Issue.record("\(site) was copied")
      })
    _ = try executor.run(example.input)
    let watching = try FloatExecutor(
      example.model, pool: WorkerPool(threads: 2),
      observer: SiteObserver(watching: isWatched) { site, value in values.withLock { $0[site] = value } })
    _ = try watching.run(example.input)
    let expected = values.withLock { $0 }
    #expect(Set(found.withLock { $0.keys }) == Set(expected.keys))
    for (site, extremes) in found.withLock({ $0 }) {
      let value = try #require(expected[site])
      #expect(extremes.isFinite)
      #expect(extremes.lower.min() == value.values.min() && extremes.upper.max() == value.values.max(), "\(site)")
      let shape = try #require(example.model.graph.shape(at: site))
      guard extremes.lower.count > 1 else { continue }
      let layout = ChannelLayout(shape)
      for channel in 0..<layout.count {
        let own = value.values.indices.filter { $0 / layout.stride % layout.count == channel }.map { value.values[$0] }
        #expect(extremes.lower[channel] == own.min() && extremes.upper[channel] == own.max(), "\(site), \(channel)")
      }
    }
  }
}
