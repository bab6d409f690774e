import Execution
import Graphs
import Synchronization
import Tensors

/// Means of the inputs of some layers, and of the products of their elements.
struct InputStatistics: Sendable {
  private let position: [LayerVectors: Int]
  private var sums: [GramAccumulator]

  fileprivate init(_ kinds: [LayerVectors], products: Bool) {
    position = Dictionary(uniqueKeysWithValues: kinds.enumerated().map { ($1, $0) })
    sums = kinds.map { $0.sums(products: products) }
  }

  func mean(_ vectors: LayerVectors) -> [Double] { sums[index(vectors)].mean }

  /// E[x x^T]. - Precondition: products were asked for.
  func moments(_ vectors: LayerVectors) -> DoubleMatrix { sums[index(vectors)].meanProducts }

  private func index(_ vectors: LayerVectors) -> Int {
    guard let index = position[vectors] else { preconditionFailure("a layer that was not watched") }
    return index
  }

  /// Adds one call's inputs, each layer's by one thread.
  fileprivate mutating func add(_ inputs: [(vectors: LayerVectors, value: Tensor)], pool: WorkerPool) {
    let places = inputs.map { index($0.vectors) }
    sums.withUnsafeMutableBufferPointer { sums in
      let sums = sums
      pool.parallel(inputs.count) { inputs[$0].vectors.add(inputs[$0].value, to: &sums[places[$0]]) }
    }
  }

  fileprivate mutating func finish(pool: WorkerPool) {
    sums.withUnsafeMutableBufferPointer { sums in
      let sums = sums
      pool.parallel(sums.count) { sums[$0].finish() }
    }
  }
}

extension QuantizationTask {
  /// Runs calibration samples through a network and gathers the statistics of what reaches some of its layers.
  /// - Parameter samplesPerStep: the first so many of each sampling step; nil takes all.
  func inputStatistics(
    of layers: [WeightLayer], in network: QuantizedNetwork, samplesPerStep: Int?, products: Bool
  ) throws -> InputStatistics {
    // One site stands for all layers that read the same values in the same way.
    var kinds: [LayerVectors] = []
    var watched: [Site: LayerVectors] = [:]
    for layer in layers where !kinds.contains(layer.vectors) {
      kinds.append(layer.vectors)
      watched[Site(node: layer.path, role: .input)] = layer.vectors
    }
    let bytes = kinds.reduce(0) { MemoryBudget.sum($0, $1.statisticsBytes(products: products)) }
    try MemoryBudget.require(bytes, for: "the statistics of \(layers.count) layers' inputs")
    var statistics = InputStatistics(kinds, products: products)
    let seen = Mutex<[(site: Site, value: Tensor)]>([])
    let executor = try makeExecutor(network.model, network.table) { [watched] site, value in
      if watched[site] != nil { seen.withLock { $0.append((site, value)) } }
    }
    let counts = samplesPerStep.map { most in set.counts.map { min($0, most) } } ?? set.counts
    let slices = SampleBatches(counts: counts, batch: nil).perStep().joined().joined()
    let total = counts.reduce(0, +)
    var done = 0
    for slice in slices {
      _ = try executor.run(try input(slice))
      let inputs = seen.withLock { seen in
        defer { seen = [] }
        return seen
      }
      let broken = inputs.filter { ValueRange(of: $0.value.values) == nil }
      if !broken.isEmpty {
        throw QuantizationError.nonFiniteActivations(
          step: slice.step, work: "layer inputs were watched", sites: broken.map(\.site).sorted().map(\.description))
      }
      statistics.add(inputs.compactMap { input in watched[input.site].map { ($0, input.value) } }, pool: pool)
      done += slice.range.count
      try progress(WorkProgress(stage: "watching layer inputs", unit: "samples", done: done, total: total))
    }
    statistics.finish(pool: pool)
    return statistics
  }

  /// The network call of some samples.
  func input(_ slice: SampleSlice) throws -> NetworkInput {
    let samples = try set.samples(step: slice.step, slice.range)
    let timestep = set.provenance.steps[slice.step].timestep
    return NetworkInput(
      x: samples.x, timesteps: .init(repeating: timestep, count: samples.count), labels: samples.labels,
      stepIndex: slice.step)
  }
}
