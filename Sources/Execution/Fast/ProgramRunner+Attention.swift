import CKernels
import Graphs
import Tensors

extension ProgramRunner {
  /// An attention product, head by head: the right operand is packed like a weight and the convolution kernel does the
  /// rest, so attention has the same summation order on every instruction set and for every batch.
  func run(_ product: AttentionProduct, isScores: Bool) {
    if let codes = product.codes { return run(product, on: codes, isScores: isScores) }
    let left = operand(
      product, 0, product.left, product.leftScratch, product.leftQuantizers, product.leftDims)
    let right = operand(
      product, 1, product.right, product.rightScratch, product.rightQuantizers, product.rightDims)
    let channels = product.heads * product.headWidth
    // Scores: weights are the keys, [tokens out, head width in]. Values: the values transposed, [head width, tokens].
    let (outputs, inputs) = isScores ? (product.columns, product.headWidth) : (product.headWidth, product.columns)
    let packed = floats(product.packed)
    let zeros = [Float](repeating: 0, count: PackedWeights.blocks(outputs) * PackedWeights.blockWidth)
    let output = floats(product.output)
    for head in 0..<product.heads {
      var pack = ht_pack()
      pack.source = UnsafePointer(right + head * product.headWidth)
      pack.output_stride = Int64(isScores ? channels : 1)
      pack.input_stride = Int64(isScores ? 1 : channels)
      pack.output_channels = Int32(outputs)
      pack.input_channels = Int32(inputs)
      pack.destination = packed
      kernels.packMatrix(&pack)

      let square = product.rows * product.columns
      let leftStride = isScores ? channels : product.columns
      let outputStride = isScores ? product.columns : channels
      zeros.withUnsafeBufferPointer { zeros in
        withRowProduct(
          of: left + (isScores ? head * product.headWidth : head * square), stride: leftStride, inputs: inputs,
          by: packed, bias: zeros.baseAddress!, into: output + (isScores ? head * square : head * product.headWidth),
          stride: outputStride, outputs: outputs
        ) { arguments in
          convolve(arguments, rows: product.rows, blocks: PackedWeights.blocks(outputs), isInteger: false)
        }
      }
    }
    if product.scale != 1 {
      kernels.affine(output, product.scale, 0, output, product.heads * product.rows * product.columns)
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

  /// The operand as the product multiplies it: observed, and passed through its fake quantiser where it has one.
  private func operand(
    _ product: AttentionProduct, _ position: Int, _ buffer: BufferID, _ scratch: BufferID?,
    _ quantizers: ActivationQuantizers?, _ dims: [Int]
  ) -> UnsafeMutablePointer<Float> {
    let source = floats(buffer)
    let site = Site(node: product.path, role: .operand(position))
    let channels = dims.last ?? 1
    observer?(
      ObservedValue(
        site: site, dims: dims, base: UnsafePointer(source), isChannelsLast: false, width: 1, pixelStride: channels,
        rowStride: channels))
    guard let scratch, let quantizers else { return source }
    let count = dims.reduce(1, *)
    let copy = floats(scratch)
    copy.update(from: source, count: count)
    simulate(copy, count, quantizers.quantizer(at: constants.key), channels: channels)
    return copy
  }
}
