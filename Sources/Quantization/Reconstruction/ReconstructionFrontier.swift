import Execution
import Graphs
import Tensors

/// Which values are alive while a network is walked unit by unit, and what they take.
struct ReconstructionFrontier {
  private let units: [ReconstructionUnit]
  private let graph: Graph
  private let samples: Int
  private let keys: Int
  /// By node: the last unit that reads it.
  private var lastReader: [Int: Int] = [:]

  init(_ units: [ReconstructionUnit], graph: Graph, samples: ReconstructionSamples) {
    self.units = units
    self.graph = graph
    self.samples = samples.count
    keys = samples.distinct.count
    for (number, unit) in units.enumerated() { for node in unit.segment.inputs { lastReader[node] = number } }
  }

  /// Nodes that no unit after this one reads.
  func finished(after number: Int) -> [Int] {
    let read = lastReader.filter { $0.value == number }.map(\.key)
    let unread = units[number].segment.outputs.filter { lastReader[$0] == nil }
    return (read + unread).sorted()
  }

  /// Bytes of both networks' values and of the executor at the moment they are most, and of the executor alone.
  /// - Parameter quantized: layers whose inputs are.
  func bytes(batch: Int, quantized: Set<Int>) -> (all: Int, executor: Int) {
    var alive = Set(units.first?.segment.inputs ?? [])
    var (most, largest) = (0, 0)
    for (number, unit) in units.enumerated() {
      alive.formUnion(unit.segment.inputs)
      alive.formUnion(unit.segment.outputs)
      let values = alive.reduce(0) {
        $0 + copies($1) * 4 * graph.nodes[$1].count * (graph.isTemporal[$1] ? keys : samples)
      }
      let parameters = Set(unit.segment.nodes.flatMap { graph.nodes[$0].op.parameters })
      let executor = GradientExecutor.bytes(
        graph, segment: unit.segment, targets: GradientTargets(parameters: parameters, inputs: []), batch: batch,
        quantized: quantized.intersection(unit.segment.nodes))
      most = max(most, values + executor)
      largest = max(largest, executor)
      alive.subtract(finished(after: number))
    }
    return (most, largest)
  }

  /// Both networks read the same images and contexts, and have everything else of their own.
  private func copies(_ node: Int) -> Int {
    switch graph.nodes[node].op.meaning {
    case .sample, .context: 1
    default: 2
    }
  }
}
