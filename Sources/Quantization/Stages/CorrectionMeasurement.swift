import Graphs
import Tensors

extension QuantizationTask {
  /// Stage: what the quantised network's output owes to quantisation, measured against the float network on the same
  /// inputs, step by step (PTQD: He et al. 2023). A modifier of any method.
  func measuredCorrection(of network: QuantizedNetwork) throws -> NoiseCorrection? {
    guard let settings = recipe.correction else { return nil }
    let float = try makeExecutor(model, QuantizationTable(), nil)
    let quantized = try makeExecutor(network.model, network.table, nil)
    let slices = SampleBatches(counts: set.counts.map { min($0, settings.samplesPerStep) }, batch: nil)
      .perStep().joined().joined()
    let total = slices.reduce(0) { $0 + $1.range.count }
    var statistics = [NoiseStatistics](
      repeating: NoiseStatistics(channels: model.graph.imageShape.channels), count: set.counts.count)
    var done = 0
    for slice in slices {
      let input = try input(slice)
      statistics[slice.step].add(float: try float.run(input), quantized: try quantized.run(input))
      done += slice.range.count
      try progress(WorkProgress(stage: "measuring quantisation noise", unit: "samples", done: done, total: total))
    }
    return NoiseCorrection(rows: statistics.map(\.row))
  }
}
