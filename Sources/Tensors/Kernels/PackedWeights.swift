import CKernels

/// Weights of a convolution or linear layer in the order the kernels read them: blocks of 32 output channels, missing
/// channels of the last block zero.
package struct PackedWeights: Sendable {
  package static let blockWidth = 32

  package enum Format: Sendable {
    /// Float, [block][tap][input channel][32].
    case float
    /// Float, [36 products][block][input channel][32]: 3x3 weights transformed for Winograd's F(4,3).
    case winograd
    /// The upper halves of Float, [block][tap][input channel / 2][32][2]: for processors that multiply bfloat16.
    case bfloat16
    /// Int8, [column][tap][input channel / 4][channel of the column][4], with the columns of an `IntegerLayout`.
    case integer

    /// Bytes of an element of the input that such weights are multiplied with.
    package var inputSize: Int {
      switch self {
      case .float, .winograd: 4
      case .bfloat16: 2
      case .integer: 1
      }
    }
  }

  package let format: Format
  package let buffer: AlignedBuffer
  /// True count; the kernels write no more.
  package let outputChannels: Int
  /// As the kernels count them: for integers padded to a multiple of 4 with zero weights.
  package let inputChannels: Int
  package let taps: Int
  /// Integer only: the sum of each output channel's weights, padded to whole blocks; empty for Float.
  package let sums: [Int32]
  /// Integer only, where a layout asks for it: how the weights were cut.
  package let gathered: GatheredColumns?

  package var byteCount: Int { buffer.byteCount + (gathered?.byteCount ?? 0) }

  package var blocks: Int { Self.blocks(outputChannels) }

  package static func blocks(_ channels: Int) -> Int { (channels + blockWidth - 1) / blockWidth }
  package static func paddedInputChannels(_ channels: Int) -> Int { (channels + 3) & ~3 }

  /// - Parameter weights: as in the checkpoints, [output channel][input channel][tap].
  package static func float(_ weights: [Float], outputChannels: Int, inputChannels: Int, taps: Int)
    throws(KernelError) -> PackedWeights
  {
    precondition(weights.count == outputChannels * inputChannels * taps)
    let blocks = blocks(outputChannels)
    let buffer = try AlignedBuffer(byteCount: blocks * taps * inputChannels * blockWidth * 4)
    let packed = buffer.pointer(Float.self, count: blocks * taps * inputChannels * blockWidth)
    for o in 0..<outputChannels {
      let (block, lane) = o.quotientAndRemainder(dividingBy: blockWidth)
      for tap in 0..<taps {
        for i in 0..<inputChannels {
          packed[((block * taps + tap) * inputChannels + i) * blockWidth + lane] =
            weights[(o * inputChannels + i) * taps + tap]
        }
      }
    }
    return PackedWeights(
      format: .float, buffer: buffer, outputChannels: outputChannels, inputChannels: inputChannels, taps: taps,
      sums: [],
      gathered: nil)
  }

  /// Weights rounded to bfloat16, to nearest even.
  /// - Parameters: weights: as in the checkpoints, [output channel][input channel][tap]; inputChannels: an even number.
  package static func bfloat16(_ weights: [Float], outputChannels: Int, inputChannels: Int, taps: Int)
    throws(KernelError) -> PackedWeights
  {
    precondition(weights.count == outputChannels * inputChannels * taps && inputChannels % 2 == 0)
    let blocks = blocks(outputChannels)
    let count = blocks * taps * inputChannels * blockWidth
    let buffer = try AlignedBuffer(byteCount: count * 2)
    let packed = buffer.pointer(UInt16.self, count: count)
    for o in 0..<outputChannels {
      let (block, lane) = o.quotientAndRemainder(dividingBy: blockWidth)
      for tap in 0..<taps {
        let pairs = (block * taps + tap) * (inputChannels / 2)
        for i in 0..<inputChannels {
          packed[((pairs + i / 2) * blockWidth + lane) * 2 + i % 2] =
            weights[(o * inputChannels + i) * taps + tap].bfloat16Bits
        }
      }
    }
    return PackedWeights(
      format: .bfloat16, buffer: buffer, outputChannels: outputChannels, inputChannels: inputChannels, taps: taps,
      sums: [], gathered: nil)
  }

  /// - Parameter weights: codes less their zero point, [output channel][input channel][tap].
  /// - Parameter layout: of the kernels that will read them.
  /// - Throws: `KernelError.accumulatorOverflow` unless 255 times the sum of an output channel's magnitudes fits Int32
  ///   (it always does up to 65,793 products: 255 * 128 * K < 2^31). The start value -z * sum keeps within the same
  ///   bound, since each (x - z) is at most 255 in magnitude, and intermediate wrap-around cancels.
  package static func integer(
    _ weights: [Int8], outputChannels: Int, inputChannels: Int, taps: Int, layout: IntegerLayout
  ) throws(KernelError) -> PackedWeights {
    precondition(weights.count == outputChannels * inputChannels * taps)
    let blocks = blocks(outputChannels)
    let padded = paddedInputChannels(inputChannels)
    let width = layout.columnWidth
    var sums = [Int32](repeating: 0, count: blocks * blockWidth)
    let count = blocks * taps * padded * blockWidth
    let buffer = try AlignedBuffer(byteCount: count)
    let packed = buffer.pointer(Int8.self, count: count)
    for o in 0..<outputChannels {
      let (column, lane) = o.quotientAndRemainder(dividingBy: width)
      var (sum, magnitude) = (0, 0)
      for tap in 0..<taps {
        let groups = (column * taps + tap) * (padded / 4)
        for i in 0..<inputChannels {
          let weight = weights[(o * inputChannels + i) * taps + tap]
          packed[((groups + i / 4) * width + lane) * 4 + i % 4] = weight
          sum += Int(weight)
          magnitude += abs(Int(weight))
        }
      }
      guard 255 * magnitude <= Int(Int32.max) else {
        throw .accumulatorOverflow(channel: o, bound: 255 * magnitude)
      }
      sums[o] = Int32(sum)
    }
    let gathered =
      layout.gathersPairs
      ? try GatheredColumns(
        cutting: packed, columns: blocks * blockWidth / width, groups: padded / 4, taps: taps) : nil
    return PackedWeights(
      format: .integer, buffer: buffer, outputChannels: outputChannels, inputChannels: padded, taps: taps, sums: sums,
      gathered: gathered)
  }

  /// Has a convolution read these weights.
  package func set(in arguments: inout ht_convolution) {
    arguments.weights = UnsafeRawPointer(buffer.raw)
    arguments.taps = Int32(taps)
    arguments.input_channels = Int32(inputChannels)
    gathered?.set(in: &arguments)
  }

  /// The accumulators' start values for an activation zero point: -z * sum of weights, per padded output channel.
  package func startValues(zeroPoint: Int) -> [Int32] {
    precondition((0...255).contains(zeroPoint))
    return sums.map { -Int32(zeroPoint) * $0 }
  }

  /// Bytes that `KernelTable.packCodes` writes for `outputs` x `inputs` codes.
  package static func packedCodesByteCount(outputs: Int, inputs: Int) -> Int {
    blocks(outputs) * blockWidth * paddedInputChannels(inputs)
  }

  /// Bytes that `KernelTable.packMatrix` writes for `outputs` x `inputs` values.
  package static func packedMatrixByteCount(outputs: Int, inputs: Int) -> Int {
    blocks(outputs) * blockWidth * inputs * MemoryLayout<Float>.stride
  }
}
