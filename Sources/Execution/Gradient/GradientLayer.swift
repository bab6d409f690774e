import CKernels
import Tensors

/// A convolution or linear layer while gradients are formed. Its weight is [out][tap][in] here; checkpoints have [out][in][tap].
///
/// A layer that nothing is learned of keeps its weight packed for both directions. The weight of a learned one is written, packed and
/// used, layer after layer, in one place that all of them share: a network's weights are not kept twice more.
package final class GradientLayer {
  /// The pass that packed weights are for.
  enum Direction { case forward, backward }

  let geometry: LayerGeometry
  package let weightName: String
  package let biasName: String?
  /// Padded to whole blocks of 32 channels; may be changed between passes.
  package var bias: [Float]
  /// Whether the weight's gradient is asked for.
  package let isLearned: Bool
  /// Whether the backward pass goes on to the layer's input.
  let needsInput: Bool
  /// Both packings, of a layer that is not learned.
  private let kept: AlignedBuffer?
  let forwardOffsets: [Int32]
  let backwardOffsets: [Int32]

  package var outputChannels: Int { geometry.outputChannels }
  package var inputChannels: Int { geometry.channels }
  package var taps: Int { geometry.taps }
  /// Elements of the weight.
  package var count: Int { outputChannels * rowCount }
  /// Elements of one output channel's row.
  package var rowCount: Int { geometry.taps * geometry.channels }

  init(
    _ geometry: LayerGeometry, weight: String, bias: String?, parameters: [String: Tensor], needsGradient: Bool,
    needsInput: Bool
  ) throws(KernelError) {
    self.geometry = geometry
    weightName = weight
    biasName = bias
    isLearned = needsGradient
    self.needsInput = needsInput
    let outputs = geometry.outputChannels
    self.bias =
      (bias.flatMap { parameters[$0]?.values } ?? [Float](repeating: 0, count: outputs))
      + [Float](repeating: 0, count: PackedWeights.blocks(outputs) * PackedWeights.blockWidth - outputs)
    forwardOffsets = geometry.tapOffsets(channels: geometry.channels)
    backwardOffsets = geometry.tapOffsets(channels: outputs)
    let counts = [Direction.forward, .backward].map { Self.packedCount(geometry, $0, needsInput: needsInput) }
    kept = needsGradient ? nil : try AlignedBuffer(byteCount: 4 * counts.reduce(0, +))
  }

  /// How checkpoints and layers arrange weights.
  package var order: WeightOrder { WeightOrder(rows: outputChannels, taps: taps, inputs: inputChannels) }

  /// Elements of the weight when it is packed; 0 for a direction that is not taken. Whole cache lines.
  func packedCount(_ direction: Direction) -> Int { Self.packedCount(geometry, direction, needsInput: needsInput) }

  private static func packedCount(_ geometry: LayerGeometry, _ direction: Direction, needsInput: Bool) -> Int {
    let width = PackedWeights.blockWidth * geometry.taps
    return switch direction {
    case .forward: PackedWeights.blocks(geometry.outputChannels) * width * geometry.channels
    case .backward: needsInput ? PackedWeights.blocks(geometry.channels) * width * geometry.outputChannels : 0
    }
  }

  /// Where the packed weight of a layer that is not learned is; nil for a learned one.
  func packed(_ direction: Direction) -> UnsafeMutablePointer<Float>? {
    kept?.pointer(at: direction == .forward ? 0 : 4 * packedCount(.forward))
  }

  /// Pieces that `pack` divides into.
  func packCount(_ direction: Direction) -> Int {
    switch direction {
    case .forward: geometry.taps * PackedWeights.blocks(geometry.outputChannels)
    case .backward: needsInput ? geometry.taps * PackedWeights.blocks(geometry.channels) : 0
    }
  }

  /// Packs one block of 32 channels of one tap: out channels for the forward pass; in channels, of the flipped kernel, for the
  /// backward pass.
  /// - Parameter values: the weight.
  func pack(
    _ piece: Int, _ direction: Direction, from values: UnsafeMutablePointer<Float>,
    to packed: UnsafeMutablePointer<Float>,
    _ kernels: KernelTable
  ) {
    let (taps, inputs, outputs) = (geometry.taps, geometry.channels, geometry.outputChannels)
    let width = PackedWeights.blockWidth
    let (block, tap) = piece.quotientAndRemainder(dividingBy: taps)
    var pass = ht_pack()
    switch direction {
    case .forward:
      pass.source = UnsafePointer(values + (block * width * taps + tap) * inputs)
      pass.output_stride = Int64(taps * inputs)
      pass.input_stride = 1
      pass.output_channels = Int32(min(width, outputs - block * width))
      pass.input_channels = Int32(inputs)
      pass.destination = packed + (block * taps + tap) * inputs * width
    case .backward:
      pass.source = UnsafePointer(values + (taps - 1 - tap) * inputs + block * width)
      pass.output_stride = 1
      pass.input_stride = Int64(taps * inputs)
      pass.output_channels = Int32(min(width, inputs - block * width))
      pass.input_channels = Int32(outputs)
      pass.destination = packed + (block * taps + tap) * outputs * width
    }
    kernels.packMatrix(&pass)
  }
}

/// The two arrangements of a weight: checkpoints have [out][in][tap], gradient layers [out][tap][in].
package struct WeightOrder: Sendable {
  package let rows: Int
  package let taps: Int
  package let inputs: Int

  /// From a checkpoint's arrangement.
  package func toLayer(_ source: [Float], _ target: UnsafeMutablePointer<Float>) {
    precondition(source.count == rows * taps * inputs)
    forEach { target[$1] = source[$0] }
  }

  package func toLayer<Value>(_ source: [Value]) -> [Value] {
    var target = source
    forEach { target[$1] = source[$0] }
    return target
  }

  package func toCheckpoint(_ source: UnsafeMutablePointer<Float>) -> [Float] {
    var target = [Float](repeating: 0, count: rows * taps * inputs)
    forEach { target[$0] = source[$1] }
    return target
  }

  package func toCheckpoint(_ source: [UInt8]) -> [UInt8] {
    var target = source
    forEach { target[$0] = source[$1] }
    return target
  }

  /// Every position in the checkpoint with that in the layer.
  private func forEach(_ body: (_ checkpoint: Int, _ layer: Int) -> Void) {
    for row in 0..<rows {
      for input in 0..<inputs {
        for tap in 0..<taps { body((row * inputs + input) * taps + tap, (row * taps + tap) * inputs + input) }
      }
    }
  }
}
