import Models
import Tensors

/// Carries the values of all samples through units of a network, a batch at a time.
struct SegmentPasses {
  let batch: Int
  let pool: WorkerPool

  /// Computes a unit's outputs from its inputs, all in `values`.
  func run(_ unit: ReconstructionUnit, _ network: QuantizedNetwork, values: SampleValues) throws {
    let graph = network.model.graph
    for node in unit.segment.outputs { try values.reserve(node, size: graph.nodes[node].count, shared: false) }
    try run(unit.segment, network, rows: values.count) { node, row in values.row(node, row) }
  }

  /// Computes the temporal block's results for every distinct (timestep, label), and keeps those two as well.
  func runTemporal(_ network: QuantizedNetwork, _ samples: ReconstructionSamples, into values: SampleValues) throws {
    let graph = network.model.graph
    guard let unit = graph.temporalUnit else { return }
    for node in unit.segment.inputs {
      try values.reserve(node, size: 1, shared: true)
      for (key, pair) in samples.distinct.enumerated() {
        let isLabel = graph.nodes[node].op == .label
        values.sharedRow(node, key: key)[0] = isLabel ? Float(pair.label ?? 0) : Float(pair.timestep.value)
      }
    }
    for node in unit.segment.outputs { try values.reserve(node, size: graph.nodes[node].count, shared: true) }
    try run(unit.segment, network, rows: values.keyCount) { node, row in values.sharedRow(node, key: row) }
  }

  private func run(
    _ segment: GraphSegment, _ network: QuantizedNetwork, rows: Int,
    _ row: (Int, Int) -> UnsafeMutablePointer<Float>
  ) throws {
    let executor = try GradientExecutor(
      network.dequantized(segment.nodes), segment: segment, targets: GradientTargets(parameters: [], inputs: []),
      batch: min(batch, rows), pool: pool)
    for start in stride(from: 0, to: rows, by: executor.capacity) {
      let count = min(executor.capacity, rows - start)
      for node in segment.inputs { copy(node, executor, count) { (row(node, start + $0), $1) } }
      executor.forward(images: count)
      for node in segment.outputs { copy(node, executor, count) { ($1, row(node, start + $0)) } }
    }
  }

  /// Copies a node's rows; `ends` gives source and target from the position and the executor's row.
  private func copy(
    _ node: Int, _ executor: GradientExecutor, _ count: Int,
    _ ends: (Int, UnsafeMutablePointer<Float>) -> (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>)
  ) {
    let size = executor.elementCount(node)
    for position in 0..<count {
      let (source, target) = ends(position, executor.value(node) + position * size)
      target.update(from: source, count: size)
    }
  }
}
