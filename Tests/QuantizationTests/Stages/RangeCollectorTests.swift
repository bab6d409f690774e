import Graphs
import Quantization
import Tensors
import TestSupport
import Testing

@Suite struct RangeCollectorTests {
  private let site = Site(node: "conv", role: .input)
  private func collector(_ estimator: RangeEstimator = .minMax, decay: Double?) -> RangeCollector {
    let rule = GridRule(.activation, bits: 8, symmetric: false, estimator: estimator)
    return RangeCollector(forms: [site: SiteForm(rule, .vector(300))], estimator: estimator, decay: decay)
  }

  @Test(
    "equal batches leave the moving average where it is",
    arguments: RangeEstimator.allCases.filter { $0 != .l24Thresholds })
  func equalBatches(estimator: RangeEstimator) throws {
    var random = SplitMix64(4)
    let values = Tensor([1, 300], random.floats(300))
    let once = collector(estimator, decay: 0.95)
    once.observe(site, values)
    once.endBatch()
    let often = collector(estimator, decay: 0.95)
    for _ in 0..<10 {
      often.observe(site, values)
      often.endBatch()
    }
    let (first, last) = (try #require(once.take()[site]?.first), try #require(often.take()[site]?.first))
    // 0.95 a + 0.05 a is a but for rounding, ten times.
    #expect(abs(first.lower - last.lower) < 1e-14 && abs(first.upper - last.upper) < 1e-14)
  }

  @Test("the first batch initialises, later ones weigh one minus the decay") func average() {
    let collector = collector(decay: 0.9)
    for (low, high) in [(-1, 1), (-3, 2), (0, 5)] as [(Float, Float)] {
      collector.observe(site, Tensor([2], [low, high]))
      collector.endBatch()
    }
    let range = collector.take()[site]?.first
    #expect(abs(range!.lower - ((-1 * 0.9 - 3 * 0.1) * 0.9)) < 1e-12)
    #expect(abs(range!.upper - ((1 * 0.9 + 2 * 0.1) * 0.9 + 5 * 0.1)) < 1e-12)
  }

  @Test("without a decay ranges unite; parts of a batch count as one batch") func union() {
    let united = collector(decay: nil)
    let batched = collector(decay: 0.5)
    for part in [[-1, 1], [-3, 2]] as [[Float]] {
      united.observe(site, Tensor([2], part))
      united.endBatch()
      batched.observe(site, Tensor([2], part))
    }
    batched.endBatch()
    #expect(united.take()[site]?.first == ValueRange(lower: -3, upper: 2))
    #expect(batched.take()[site]?.first == ValueRange(lower: -3, upper: 2))
    #expect(united.take().isEmpty)
  }

  @Test("other sites are not looked at; values that are not finite are remembered") func broken() {
    let collector = collector(decay: nil)
    collector.observe(Site(node: "other", role: .input), Tensor([1], [.nan]))
    #expect(collector.broken.isEmpty)
    collector.observe(site, Tensor([2], [1, .infinity]))
    #expect(collector.broken == [site])
  }
}

@Suite struct SampleBatchesTests {
  @Test("every sample is in exactly one batch", arguments: [nil, 1, 5, 16, 40, 1000] as [Int?])
  func partition(batch: Int?) {
    let counts = [0, 1, 7, 33, 64]
    let batches = SampleBatches(counts: counts, batch: batch)
    for slices in [batches.perStep().flatMap { $0.flatMap { $0 } }, batches.stratified().flatMap { $0 }] {
      var seen = counts.map { [Int](repeating: 0, count: $0) }
      for slice in slices {
        #expect(slice.range.count <= SampleBatches.largestCall && !slice.range.isEmpty)
        for sample in slice.range { seen[slice.step][sample] += 1 }
      }
      #expect(seen.allSatisfy { $0.allSatisfy { $0 == 1 } })
    }
  }

  @Test("stratified batches hold the same share of each step") func shares() {
    let batches = SampleBatches(counts: [64, 64, 32], batch: 40).stratified()
    #expect(batches.count == 4)
    for batch in batches {
      #expect(
        (0..<3).map { step in batch.filter { $0.step == step }.reduce(0) { $0 + $1.range.count } } == [16, 16, 8])
    }
  }
}
