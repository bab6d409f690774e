import CKernels
import Tensors

/// The weight of a convolution or linear layer while gradients are formed: its values, packed for both directions, and
/// its gradient. All are [out][tap][in] here; checkpoints have [out][in][tap].
package final class GradientLayer {
  let geometry: LayerGeometry
  let weightName: String
  package let biasName: String?
  /// Padded to whole blocks of 32 channels; may be changed between passes.
  package var bias: [Float]
  /// [out][tap][in]; whoever writes it calls the executor's `repack` before the next pass.
  package let values: UnsafeMutableBufferPointer<Float>
  /// The gradient of the last backward pass; empty where none was asked for.
  package let gradient: UnsafeMutableBufferPointer<Float>
  private let memory: AlignedBuffer
  let forward: UnsafeMutablePointer<Float>
  let backward: UnsafeMutablePointer<Float>?
  let forwardOffsets: [Int32]
  let backwardOffsets: [Int32]

  package var outputChannels: Int { geometry.outputChannels }
  package var inputChannels: Int { geometry.channels }
  package var taps: Int { geometry.taps }
  /// Elements of one output channel's row.
  package var rowCount: Int { geometry.taps * geometry.channels }

  init(
    _ geometry: LayerGeometry, weight: String, bias: String?, parameters: [String: Tensor], needsGradient: Bool,
    needsInput: Bool
  ) throws(KernelError) {
    self.geometry = geometry
    weightName = weight
    biasName = bias
    let (taps, inputs, outputs) = (geometry.taps, geometry.channels, geometry.outputChannels)
    let width = PackedWeights.blockWidth
    self.bias =
      (bias.flatMap { parameters[$0]?.values } ?? [Float](repeating: 0, count: outputs))
      + [Float](repeating: 0, count: PackedWeights.blocks(outputs) * width - outputs)
    let count = outputs * taps * inputs
    let forwardCount = PackedWeights.blocks(outputs) * width * taps * inputs
    let backwardCount = needsInput ? PackedWeights.blocks(inputs) * width * taps * outputs : 0
    let gradientCount = needsGradient ? count : 0
    // Whole cache lines each.
    let sizes = [count, gradientCount, forwardCount, backwardCount].map { ($0 + 15) & ~15 }
    memory = try AlignedBuffer(byteCount: 4 * sizes.reduce(0, +))
    let base = memory.pointer(Float.self, count: sizes.reduce(0, +))
    values = UnsafeMutableBufferPointer(start: base, count: count)
    gradient = UnsafeMutableBufferPointer(start: base + sizes[0], count: gradientCount)
    forward = base + sizes[0] + sizes[1]
    backward = needsInput ? base + sizes[0] + sizes[1] + sizes[2] : nil
    forwardOffsets = geometry.tapOffsets(channels: inputs)
    backwardOffsets = geometry.tapOffsets(channels: outputs)
    if let weight = parameters[weight]?.values {
      order.toLayer(weight, values)
    }
  }

  /// How checkpoints and layers arrange weights.
  package var order: WeightOrder { WeightOrder(rows: outputChannels, taps: taps, inputs: inputChannels) }

  /// Pieces that `pack` divides into.
  var packCount: Int {
    let (outputs, inputs) = (PackedWeights.blocks(geometry.outputChannels), PackedWeights.blocks(geometry.channels))
    return geometry.taps * (outputs + (backward == nil ? 0 : inputs))
  }

  /// Packs one block of 32 channels of one tap: out channels for the forward pass, then in channels, of the flipped
  /// kernel, for the backward pass.
  func pack(_ piece: Int, _ kernels: KernelTable) {
    let (taps, inputs, outputs) = (geometry.taps, geometry.channels, geometry.outputChannels)
    let width = PackedWeights.blockWidth
    let (block, tap) = piece.quotientAndRemainder(dividingBy: taps)
    let forwardBlocks = PackedWeights.blocks(outputs)
    var pass = ht_pack()
    if block < forwardBlocks {
      pass.source = UnsafePointer(values.baseAddress! + (block * width * taps + tap) * inputs)
      pass.output_stride = Int64(taps * inputs)
      pass.input_stride = 1
      pass.output_channels = Int32(min(width, outputs - block * width))
      pass.input_channels = Int32(inputs)
      pass.destination = forward + (block * taps + tap) * inputs * width
    } else if let backward {
      let block = block - forwardBlocks
      pass.source = UnsafePointer(values.baseAddress! + (taps - 1 - tap) * inputs + block * width)
      pass.output_stride = 1
      pass.input_stride = Int64(taps * inputs)
      pass.output_channels = Int32(min(width, inputs - block * width))
      pass.input_channels = Int32(outputs)
      pass.destination = backward + (block * taps + tap) * outputs * width
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
  package func toLayer(_ source: [Float], _ target: UnsafeMutableBufferPointer<Float>) {
    precondition(source.count == rows * taps * inputs && target.count == source.count)
    forEach { target[$1] = source[$0] }
  }

  package func toLayer(_ source: [UInt8]) -> [UInt8] {
    var target = source
    forEach { target[$1] = source[$0] }
    return target
  }

  package func toCheckpoint(_ source: UnsafeMutableBufferPointer<Float>) -> [Float] {
    var target = [Float](repeating: 0, count: source.count)
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
