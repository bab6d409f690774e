import Execution
import Graphs
import Quantization
import Synchronization
import Tensors

/// Runs the float and the quantised network on equal calls and compares what reaches every site; counts how the float
/// network's values fall on the grids meanwhile.
final class SiteComparison {
  private struct State {
    var values: [Site: [Tensor]] = [:]
    /// Deviation and energy at each call so far.
    var errors: [Site: [(deviation: Double, energy: Double)]] = [:]
    var histograms: [Site: CodeHistogram] = [:]
    var call = 0
    var stepIndex = 0
    /// How many pieces of a site's value the quantised network has handed over in this call.
    var pieces: [Site: Int] = [:]
  }

  private let graph: Graph
  private let table: QuantizationTable
  private let state = StateBox()
  private let executors: (float: any Executor, quantized: any Executor)
  private var calls = 0

  /// Observers hold on to this.
  private final class StateBox: Sendable {
    let mutex = Mutex(State())
  }

  /// - Throws: when the values at all sites do not fit in memory.
  init(float: Model, quantized: Model, table: QuantizationTable, compute: Compute) throws {
    graph = float.graph
    self.table = table
    let (graph, state) = (graph, state)
    // Probabilities are by far the largest values of networks on large maps, and say the least.
    let sites = Set(
      graph.sites.filter { site in
        site.role != .weight && site.role != .output && graph.place(of: site)?.tensor != .probabilities
      })
    let count = sites.reduce(0) { $0 + (graph.shape(at: $1)?.count ?? 0) }
    try MemoryBudget.require(
      MemoryBudget.product(4 * LayerAnalysis.images, count), for: "the values at the sites of the network")
    let watches: @Sendable (Site) -> Bool = { sites.contains($0) }
    executors = (
      try compute.simulating(
        float, QuantizationTable(),
        SiteObserver(watching: watches) { site, value in
          state.mutex.withLock { Self.keep(site, value, in: &$0, table: table, graph: graph) }
        }),
      try compute.simulating(
        quantized, table,
        SiteObserver(watching: watches) { site, value in
          state.mutex.withLock { Self.compare(site, value, in: &$0) }
        })
    )
  }

  func compare(_ input: NetworkInput) throws {
    state.mutex.withLock { state in
      (state.values, state.pieces) = ([:], [:])
      state.stepIndex = input.stepIndex ?? 0
    }
    _ = try executors.float.run(input)
    _ = try executors.quantized.run(input)
    calls += 1
    state.mutex.withLock { $0.call += 1 }
  }

  private static func keep(_ site: Site, _ value: Tensor, in state: inout State, table: QuantizationTable, graph: Graph)
  {
    state.values[site, default: []].append(value)
    guard let quantizers = table.activations[site], let shape = graph.shape(at: site) else { return }
    let quantizer = quantizers.quantizer(stepIndex: state.stepIndex, label: nil)
    state.histograms[site, default: CodeHistogram(largestCode: quantizer.largestCode)].add(
      value, shape: shape, quantizer: quantizer, inputScales: table.weights[site.node]?.inputScales)
  }

  private static func compare(_ site: Site, _ value: Tensor, in state: inout State) {
    let piece = state.pieces[site, default: 0]
    state.pieces[site] = piece + 1
    guard let expected = state.values[site], expected.indices.contains(piece), expected[piece].dims == value.dims else {
      return
    }
    var (deviation, energy) = (0.0, 0.0)
    for (a, b) in zip(expected[piece].values, value.values) {
      deviation += (Double(a) - Double(b)) * (Double(a) - Double(b))
      energy += Double(a) * Double(a)
    }
    var errors = state.errors[site] ?? []
    while errors.count <= state.call { errors.append((0, 0)) }
    errors[state.call].deviation += deviation
    errors[state.call].energy += energy
    state.errors[site] = errors
  }

  func histogram(_ site: Site) -> CodeHistogram? { state.mutex.withLock { $0.histograms[site] } }

  /// Squared deviation over squared value of all of a layer's operands together, one for each call; nil where none was seen
  /// in both networks.
  func accumulated(_ path: String) -> [Double?]? {
    let found = state.mutex.withLock { state in state.errors.filter { $0.key.node == path }.values }
    guard !found.isEmpty else { return nil }
    return (0..<calls).map { call in
      let sums = found.reduce((0.0, 0.0)) { sum, errors in
        errors.indices.contains(call) ? (sum.0 + errors[call].deviation, sum.1 + errors[call].energy) : sum
      }
      return sums.1 > 0 && sums.0.isFinite ? sums.0 / sums.1 : nil
    }
  }
}
