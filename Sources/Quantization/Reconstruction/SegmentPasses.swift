import Graphs
import Execution
import Tensors

/// Carries the values of all samples through units of a network, a batch at a time: weights as the network has them,
/// inputs of layers quantised where its table says so. Attention products are float.
struct SegmentPasses {
  let batch: Int
  let pool: WorkerPool
  let samples: ReconstructionSamples
  /// Called with the samples that a unit's pass has done; nil where nobody asks.
  var progress: ((Int) throws -> Void)?

  /// Computes a unit's outputs from its inputs, all in `values`.
  func run(_ unit: ReconstructionUnit, _ network: QuantizedNetwork, values: SampleValues) throws {
    let graph = network.model.graph
    for node in unit.segment.outputs { try values.reserve(node, size: graph.nodes[node].count, shared: false) }
    try run(unit.segment, network, rows: values.count, call: samples.call, progress: progress) { node, row in
      values.row(node, row)
    }
  }

  /// Computes the temporal block's results for every distinct call, and keeps timestep and label as well.
  func runTemporal(_ network: QuantizedNetwork, into values: SampleValues) throws {
    let graph = network.model.graph
    guard let unit = graph.temporalUnit else { return }
    for node in unit.segment.inputs {
      try values.reserve(node, size: graph.nodes[node].count, shared: true)
      for (key, call) in samples.distinct.enumerated() {
        let row = values.sharedRow(node, key: key)
        switch graph.nodes[node].op.meaning {
        case .timestep: row[0] = Float(call.timestep.value)
        case .label: row[0] = Float(call.label ?? 0)
        case .vector:
          let vector = call.conditioning.vectors[graph.nodes[node].path] ?? []
          row.update(from: vector, count: vector.count)
        case .sample, .context, nil: preconditionFailure("\(graph.nodes[node].path) is no input of the block")
        }
      }
    }
    for node in unit.segment.outputs { try values.reserve(node, size: graph.nodes[node].count, shared: true) }
    try run(unit.segment, network, rows: values.keyCount, call: { samples.distinct[$0] }) { node, row in
      values.sharedRow(node, key: row)
    }
    for node in unit.segment.outputs {
      guard let feature = network.table.features[graph.nodes[node].path] else { continue }
      for (key, call) in samples.distinct.enumerated() {
        let kept = feature.values(stepIndex: call.step, label: call.label)
        values.sharedRow(node, key: key).update(from: kept, count: kept.count)
      }
    }
  }

  private func run(
    _ segment: GraphSegment, _ network: QuantizedNetwork, rows: Int,
    call: (Int) -> ReconstructionSamples.Call, progress: ((Int) throws -> Void)? = nil,
    _ row: (Int, Int) -> UnsafeMutablePointer<Float>
  ) throws {
    let capacity = min(batch, rows)
    let quantizers = try network.activationVariables(at: segment.nodes, interval: 1, dropping: 0, images: capacity)
    let executor = try GradientExecutor(
      network.dequantized(segment.nodes), segment: segment, targets: .nothing, batch: capacity,
      quantizers: quantizers.byPath, pool: pool)
    for start in stride(from: 0, to: rows, by: executor.capacity) {
      let count = min(executor.capacity, rows - start)
      let calls = (start..<(start + count)).map(call)
      for quantizer in quantizers { quantizer.begin(calls) }
      for node in segment.inputs { copy(node, executor, count) { (row(node, start + $0), $1) } }
      executor.forward(images: count)
      for node in segment.outputs { copy(node, executor, count) { ($1, row(node, start + $0)) } }
      try progress?(start + count)
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
