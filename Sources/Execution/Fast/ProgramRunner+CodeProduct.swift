import CKernels
import Graphs
import Tensors

extension CodeProduct {
  /// Whether operands quantised so can be multiplied as u8 times s8: the second one symmetric in eight bits, and no
  /// sum of `products` past Int32.
  static func allows(_ quantizers: [ActivationQuantizers?], products: Int) -> Bool {
    guard let left = quantizers[0], let right = quantizers[1] else { return false }
    let isSymmetric = right.rows.allSatisfy { $0.bits == 8 && $0.granularity == .perTensor && $0.zeroPoints[0] == 128 }
    return isSymmetric && left.rows.allSatisfy { $0.granularity == .perTensor }
      && products <= Int(Int32.max) / (255 * 128)
  }
}

extension ProgramRunner {
  /// An attention product on codes: both operands quantised, the right one packed like an integer weight head by head.
  func run(_ product: AttentionProduct, on codes: CodeProduct, isScores: Bool) {
    guard let left = product.leftQuantizers?.quantizer(at: constants.key),
      let right = product.rightQuantizers?.quantizer(at: constants.key)
    else { preconditionFailure("\(product.path) has codes and no quantisers") }
    let channels = product.heads * product.headWidth
    // Scores: queries times keys, a head's channels at a time. Values: a head's probabilities times the values.
    let (outputs, inputs) = isScores ? (product.columns, product.headWidth) : (product.headWidth, product.columns)
    let leftStride = isScores ? channels : PackedWeights.paddedInputChannels(product.columns)
    let leftPixels = isScores ? product.rows : product.heads * product.rows
    writeCodes(
      of: product.left, left, pixels: leftPixels, channels: isScores ? channels : product.columns,
      pixelStride: leftStride, to: codes.left)
    writeCodes(
      of: product.right, right, pixels: product.columns, channels: channels, pixelStride: channels, to: codes.right)

    let padded = PackedWeights.blocks(outputs) * PackedWeights.blockWidth
    let (scale, bias) = (floats(codes.constants) + padded, floats(codes.constants) + 2 * padded)
    scale.update(repeating: left.scales[0] * right.scales[0] * product.scale, count: padded)
    bias.update(repeating: 0, count: padded)
    let start = (arena + program.offset(codes.constants)).assumingMemoryBound(to: Int32.self)
    let packed = bytes(product.packed)
    for head in 0..<product.heads {
      var pack = ht_pack_codes()
      pack.source = UnsafePointer(bytes(codes.right) + head * product.headWidth)
      pack.output_stride = Int64(isScores ? channels : 1)
      pack.input_stride = Int64(isScores ? 1 : channels)
      pack.output_channels = Int32(outputs)
      pack.input_channels = Int32(inputs)
      pack.left_zero_point = Int32(left.zeroPoints[0])
      pack.destination = packed
      pack.start = start
      kernels.packCodes(&pack)

      let first = isScores ? head * product.headWidth : head * product.rows * leftStride
      withRowProduct(
        of: bytes(codes.left) + first, stride: leftStride,
        inputs: PackedWeights.paddedInputChannels(inputs), by: packed, bias: bias,
        into: floats(product.output) + head * (isScores ? product.rows * product.columns : product.headWidth),
        stride: isScores ? product.columns : channels, outputs: outputs
      ) { arguments in
        arguments.start = UnsafePointer(start)
        arguments.scale = UnsafePointer(scale)
        convolve(arguments, rows: product.rows, blocks: PackedWeights.blocks(outputs), isInteger: true)
      }
    }
  }

  private func bytes(_ buffer: BufferID) -> UnsafeMutablePointer<UInt8> {
    (arena + program.offset(buffer)).assumingMemoryBound(to: UInt8.self)
  }

  private func writeCodes(
    of source: BufferID, _ quantizer: AffineQuantizer, pixels: Int, channels: Int, pixelStride: Int,
    to target: BufferID
  ) {
    split(pixels) { range in
      var pass = ht_transform(
        line: floats(source) + range.lowerBound * channels, pixels: range.count, channels: channels,
        to: bytes(target) + range.lowerBound * pixelStride, pixelStride: pixelStride)
      pass.quantize(by: quantizer)
      kernels.transform(&pass)
    }
  }
}
