import Graphs
import Tensors

extension QuantizationTask {
  /// Stage: what the quantised network's output owes to quantisation, measured against the float network on the same
  /// inputs, step by step (PTQD: He et al. 2023). A modifier of any method.
  func measuredCorrection(of network: QuantizedNetwork) throws -> NoiseCorrection? {
    guard let settings = recipe.correction else { return nil }
    let float = try makeExecutor(model, QuantizationTable(), nil)
    let quantized = try makeExecutor(network.model, network.table, nil)
    var statistics = [NoiseStatistics](
      repeating: NoiseStatistics(channels: model.graph.imageShape.channels), count: set.counts.count)
    try eachSample("measuring quantisation noise", perStep: settings.samplesPerStep) { slice, input in
      statistics[slice.step].add(float: try float.run(input), quantized: try quantized.run(input))
    }
    return NoiseCorrection(rows: statistics.map(\.row))
  }
}
