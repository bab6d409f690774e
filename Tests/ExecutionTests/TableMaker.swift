import Diffusion
import Execution
import Graphs
import Synchronization
import Tensors
import TestSupport

/// Min-max tables for a case: symmetric weights, activations from the ranges that the float network shows.
enum TableMaker {
  static func table(for example: ExecutorCase, weightBits bits: Int) throws -> QuantizationTable {
    let ranges = Mutex<[Site: (Float, Float)]>([:])
    let observer = SiteObserver { site, value in
      ranges.withLock {
        let old = $0[site] ?? (0, 0)
        $0[site] = (min(old.0, value.values.min() ?? 0), max(old.1, value.values.max() ?? 0))
      }
    }
    let executor = try FloatExecutor(example.model, observer: observer)
    _ = try executor.run(example.input)
    var table = QuantizationTable()
    for (site, (low, high)) in ranges.withLock({ $0 }) {
      if site.role == .operand(1) {
        let scale = max(max(high, -low) / 127, 1e-8)
        table.activations[site] = ActivationQuantizers(shared: AffineQuantizer(bits: 8, scale: scale, zeroPoint: 128))
        continue
      }
      let scale = max((high - low) / 255, 1e-8)
      let zero = Int((-low / scale).rounded(.toNearestOrEven))
      table.activations[site] = ActivationQuantizers(shared: AffineQuantizer(bits: 8, scale: scale, zeroPoint: zero))
    }
    for node in example.model.graph.nodes {
      let name: String
      switch node.op {
      case .conv2d(let convolution): name = convolution.weight
      case .linear(let weight, _): name = weight
      default: continue
      }
      let weight = example.model.parameters[name]!
      let row = weight.count / weight.dims[0]
      let middle = 1 << (bits - 1)
      let scales = (0..<weight.dims[0]).map { channel in
        max(weight.values[(channel * row)..<((channel + 1) * row)].map(abs).max()! / Float(middle - 1), 1e-8)
      }
      let quantizer = AffineQuantizer(
        bits: bits, granularity: .perChannel, scales: scales,
        zeroPoints: [Int](repeating: middle, count: scales.count))
      table.weights[node.path] = QuantizedWeight(
        dims: weight.dims, quantizer: quantizer,
        codes: quantizer.codes(weight.values, channelStride: row, channelCount: scales.count))
    }
    return table
  }
}
