import CKernels
import Graphs
import Tensors

/// Attention's products: their operands as Float or codes, packing, and multiplication.
extension ProgramRunner {
  /// An operand as a product reads it: codes, a simulated copy, or the values as they lie.
  func operand(
    _ buffer: BufferID, _ shape: Shape, site: Site, _ quantizers: ActivationQuantizers?, codes: BufferID?,
    scratch: BufferID?
  ) -> UnsafeMutableRawPointer {
    let source = floats(buffer)
    if let codes {
      writeCodes(
        of: source, quantizer(quantizers, at: site), pixels: shape.positions, channels: shape.channels,
        pixelStride: shape.channels, to: bytes(codes))
      return UnsafeMutableRawPointer(bytes(codes))
    }
    observer?(
      ObservedValue(
        site: site, shape: shape, base: UnsafePointer(source), isChannelsLast: false, width: 1,
        pixelStride: shape.channels, rowStride: shape.channels))
    guard let scratch, let quantizers else { return UnsafeMutableRawPointer(source) }
    let copy = floats(scratch)
    copy.update(from: source, count: shape.count)
    simulate(copy, shape.count, quantizers.quantizer(at: constants.key), channels: shape.channels)
    return UnsafeMutableRawPointer(copy)
  }

  func quantizer(_ quantizers: ActivationQuantizers?, at site: Site) -> AffineQuantizer {
    guard let quantizers else { preconditionFailure("\(site) has codes and no quantisers") }
    return quantizers.quantizer(at: constants.key)
  }

  func bytes(_ buffer: BufferID) -> UnsafeMutablePointer<UInt8> {
    (arena + program.offset(buffer)).assumingMemoryBound(to: UInt8.self)
  }

  func writeCodes(
    of source: UnsafeMutablePointer<Float>, _ quantizer: AffineQuantizer, pixels: Int, channels: Int,
    pixelStride: Int, to target: UnsafeMutablePointer<UInt8>
  ) {
    split(pixels) { range in
      var pass = ht_transform(
        line: source + range.lowerBound * channels, pixels: range.count, channels: channels,
        to: target + range.lowerBound * pixelStride, pixelStride: pixelStride)
      pass.write(.codes(quantizer))
      kernels.transform(&pass)
    }
  }

  // MARK: Packing

  /// Packs one lane's share of all heads' blocks of outputs, and sets what the product's outputs have in common.
  /// - Parameter isKeys: whether an output's weights are a row of the operand (keys) or a column (values).
  func pack(
    _ product: AttentionProduct, _ right: UnsafeMutableRawPointer, of step: AttentionStep, isKeys: Bool, lane: Int,
    of lanes: Int
  ) {
    timed(product.work) {
      let all = step.heads * product.blocks
      var next = all * lane / lanes
      let end = all * (lane + 1) / lanes
      while next < end {
        let (head, first) = next.quotientAndRemainder(dividingBy: product.blocks)
        let blocks = first..<min(product.blocks, first + end - next)
        pack(product, right, head: head, blocks: blocks, channels: step.shapes[isKeys ? 1 : 2].channels, isKeys: isKeys)
        next += blocks.count
      }
      guard lane == 0, let codes = product.codes else { return }
      let factor =
        quantizer(product.leftQuantizers, at: product.leftSite).scales[0]
        * quantizer(product.rightQuantizers, at: product.rightSite).scales[0] * product.scale
      floats(codes.constants).update(repeating: factor, count: product.blocks * PackedWeights.blockWidth)
    }
  }

  private func pack(
    _ product: AttentionProduct, _ right: UnsafeMutableRawPointer, head: Int, blocks: Range<Int>, channels: Int,
    isKeys: Bool
  ) {
    let (outputStride, inputStride) = isKeys ? (channels, 1) : (1, channels)
    let first = blocks.lowerBound * PackedWeights.blockWidth
    let outputs = min(blocks.upperBound * PackedWeights.blockWidth, product.outputs) - first
    let source = head * (isKeys ? product.inputs : product.outputs) + first * outputStride
    let packed = bytes(product.packed) + head * product.packedBytes
    guard let codes = product.codes else {
      var pack = ht_pack()
      pack.source = UnsafePointer(right.assumingMemoryBound(to: Float.self) + source)
      pack.output_stride = Int64(outputStride)
      pack.input_stride = Int64(inputStride)
      pack.output_channels = Int32(outputs)
      pack.input_channels = Int32(product.inputs)
      pack.destination = UnsafeMutableRawPointer(packed).assumingMemoryBound(to: Float.self) + first * product.inputs
      return kernels.packMatrix(&pack)
    }
    var pack = ht_pack_codes()
    pack.source = UnsafePointer(right.assumingMemoryBound(to: UInt8.self) + source)
    pack.output_stride = Int64(outputStride)
    pack.input_stride = Int64(inputStride)
    pack.output_channels = Int32(outputs)
    pack.input_channels = Int32(product.inputs)
    pack.left_zero_point = Int32(quantizer(product.leftQuantizers, at: product.leftSite).zeroPoints[0])
    pack.destination = packed + first * PackedWeights.paddedInputChannels(product.inputs)
    pack.start = startValues(of: codes, product, head: head) + first
    kernels.packCodes(&pack)
  }

  /// Where a head's start values lie, behind the scales.
  private func startValues(of codes: CodeProduct, _ product: AttentionProduct, head: Int) -> UnsafeMutablePointer<Int32>
  {
    (arena + program.offset(codes.constants)).assumingMemoryBound(to: Int32.self)
      + (1 + head) * product.blocks * PackedWeights.blockWidth
  }

  // MARK: Multiplication

  /// Rows of the left operand times a head's packed right one.
  /// - Parameters: first: element of the left operand where the first row begins; stride: elements from row to row.
  func multiply(
    _ product: AttentionProduct, _ left: UnsafeMutableRawPointer, from first: Int, stride: Int, rows: Int, head: Int,
    zeros: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>, stride outputStride: Int
  ) {
    let packed = bytes(product.packed) + head * product.packedBytes
    guard let codes = product.codes else {
      withRowProduct(
        of: left.assumingMemoryBound(to: Float.self) + first, stride: stride, inputs: product.inputs, by: packed,
        bias: zeros, into: output, stride: outputStride, outputs: product.outputs
      ) { convolve($0, rows: rows, blocks: product.blocks, weights: .float) }
      guard product.scale != 1 else { return }
      if outputStride == product.outputs {
        return kernels.affine(output, product.scale, 0, output, rows * product.outputs)
      }
      for row in 0..<rows {
        kernels.affine(output + row * outputStride, product.scale, 0, output + row * outputStride, product.outputs)
      }
      return
    }
    withRowProduct(
      of: left.assumingMemoryBound(to: UInt8.self) + first, stride: stride,
      inputs: PackedWeights.paddedInputChannels(product.inputs), by: packed, bias: zeros, into: output,
      stride: outputStride, outputs: product.outputs
    ) { arguments in
      arguments.start = UnsafePointer(startValues(of: codes, product, head: head))
      arguments.scale = UnsafePointer(floats(codes.constants))
      convolve(arguments, rows: rows, blocks: product.blocks, weights: .integer)
    }
  }

  /// Rows times packed 1x1 weights as arguments of the convolution kernel, to which the rows are a map one pixel wide. The
  /// caller says how many rows and blocks there are.
  func withRowProduct(
    of input: UnsafeRawPointer, stride: Int, inputs: Int, by weights: UnsafeRawPointer, bias: UnsafePointer<Float>,
    into output: UnsafeMutablePointer<Float>, stride outputStride: Int, outputs: Int,
    _ body: (inout ht_convolution) -> Void
  ) {
    var tap: Int32 = 0
    withUnsafePointer(to: &tap) { tap in
      var arguments = ht_convolution()
      arguments.input = input
      arguments.tap_offsets = tap
      arguments.taps = 1
      arguments.input_channels = Int32(inputs)
      arguments.input_row_stride = Int64(stride)
      arguments.input_pixel_stride = Int64(stride)
      arguments.weights = weights
      arguments.bias = bias
      arguments.output = output
      arguments.output_row_stride = Int64(outputStride)
      arguments.output_pixel_stride = Int64(outputStride)
      arguments.width = 1
      arguments.output_channels = Int32(outputs)
      body(&arguments)
    }
  }
}
