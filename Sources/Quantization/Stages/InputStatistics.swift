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
  func moments(_ vectors: LayerVectors) -> GramMoments { sums[index(vectors)].moments }

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
    let watcher = SiteObserver { [watched] in
      watched[$0] != nil
    } receive: { site, value in
      seen.withLock { $0.append((site, value)) }
    }
    let executor = try makeExecutor(network.model, network.table, watcher)
    try eachSample("watching layer inputs", perStep: samplesPerStep) { slice, input in
      _ = try executor.run(input)
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
    }
    statistics.finish(pool: pool)
    return statistics
  }
}
