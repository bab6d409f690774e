import Graphs
import Tensors

/// The values that units of a walk read, of all samples in the float and in the quantised network, carried from unit to
/// unit: none is computed twice while units come in execution order. A unit that comes out of order is reached from the
/// image again.
final class WalkValues {
  private let units: [ReconstructionUnit]
  private let learning: RegionLearning
  private let float: QuantizedNetwork
  private let set: any CalibrationSource
  private let samples: ReconstructionSamples
  private let passes: SegmentPasses
  private let frontier: ReconstructionFrontier
  private let folder: String?
  /// Of both networks.
  private(set) var expected: SampleValues
  private(set) var quantized: SampleValues
  /// Units whose outputs are there; nil before the first.
  private var position: Int?

  /// - Parameters: folder: where values lie; nil: in memory; progress: called with the samples that a pass has done.
  init(
    _ units: [ReconstructionUnit], _ learning: RegionLearning, of model: Model, set: any CalibrationSource,
    _ samples: ReconstructionSamples, folder: String?, pool: WorkerPool,
    progress: ((Int) throws -> Void)?
  ) {
    self.folder = folder
    self.units = units
    self.learning = learning
    float = QuantizedNetwork(model: model)
    self.set = set
    self.samples = samples
    passes = SegmentPasses(batch: learning.batch, pool: pool, samples: samples, progress: progress)
    frontier = ReconstructionFrontier(units, graph: model.graph, samples: samples)
    expected = SampleValues(keys: samples.keys, keyCount: samples.distinct.count)
    quantized = expected
  }

  /// Provides the inputs of a unit in both networks, and its outputs in the float one.
  /// - Parameter network: what the units before it have become.
  func reach(_ unit: Int, _ network: QuantizedNetwork) throws {
    if position ?? .max > unit { try begin(network) }
    while let done = position, done < unit {
      try passes.run(units[done], float, values: expected)
      try leave(done, network)
    }
    try passes.run(units[unit], float, values: expected)
  }

  /// Goes on behind a unit that was reached. - Parameter network: what it has become.
  func leave(_ unit: Int, _ network: QuantizedNetwork) throws {
    if unit < units.count - 1 { try passes.run(units[unit], learning.simulated(network), values: quantized) }
    for node in frontier.finished(after: unit) {
      expected.release(node)
      quantized.release(node)
    }
    position = unit + 1
  }

  private func begin(_ network: QuantizedNetwork) throws {
    expected = SampleValues(keys: samples.keys, keyCount: samples.distinct.count, folder: folder)
    quantized = SampleValues(keys: samples.keys, keyCount: samples.distinct.count, folder: folder)
    for input in try loadInputs(into: expected) { quantized.share(input, of: expected) }
    try passes.runTemporal(float, into: expected)
    try passes.runTemporal(learning.simulated(network), into: quantized)
    position = 0
  }

  /// The images of all samples, channels-last, and the contexts where the network takes some.
  /// - Returns: their nodes.
  private func loadInputs(into values: SampleValues) throws -> [Int] {
    let graph = float.model.graph
    guard let image = graph.inputNode(.sample) else { return [] }
    let context = graph.inputNode(.context)
    let shape = graph.imageShape
    try values.reserve(image.index, size: shape.count, shared: false)
    if let context { try values.reserve(context.index, size: context.count, shared: false) }
    var next = 0
    for slice in samples.slices {
      let found = try set.samples(step: slice.step, slice.range)
      if let context {
        for (row, conditioning) in found.conditioning.enumerated() {
          let tokens = conditioning.context?.tokens.values ?? []
          values.row(context.index, next + row).update(from: tokens, count: tokens.count)
        }
      }
      let x = found.x
      x.values.withUnsafeBufferPointer { x in
        for row in 0..<slice.range.count {
          ChannelsLast.write(
            from: x.baseAddress! + row * shape.count, channels: shape.channels, pixels: shape.height * shape.width,
            to: values.row(image.index, next + row))
        }
      }
      next += slice.range.count
    }
    return [image.index] + (context.map { [$0.index] } ?? [])
  }
}
