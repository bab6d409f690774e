import CKernels
import Graphs
import Tensors

extension ProgramRunner {
  /// Attention head by head and, within a head, block by block of queries: scores, softmax, mixture of the values. Blocks
  /// change no bit, since every row of probabilities is whole.
  func run(_ step: AttentionStep) {
    let leftScores = timed(step.scores.work) { leftOperand(of: step.scores, step.queries, step.shapes[0]) }
    let rightScores = timed(step.scores.work) { rightOperand(of: step.scores, step.keys, step.shapes[1]) }
    let values = timed(step.mixing.work) { rightOperand(of: step.mixing, step.values, step.shapes[2]) }
    let probabilities = floats(step.probabilities)
    let keys = step.keyCount
    let blocks = Attention.blocks(queries: step.queryCount, keys: keys)
    let valueChannels = step.shapes[2].channels
    for head in 0..<step.heads {
      timed(step.scores.work) {
        pack(step.scores, rightScores, head: head, channels: step.shapes[1].channels, readsRows: true)
      }
      timed(step.mixing.work) {
        pack(step.mixing, values, head: head, channels: valueChannels, readsRows: false)
      }
      for rows in blocks {
        timed(step.scores.work) {
          multiply(
            step.scores, leftScores, from: rows.lowerBound * step.shapes[0].channels + head * step.scores.inputs,
            stride: step.shapes[0].channels, rows: rows.count, into: probabilities, stride: keys)
        }
        timed("softmax") {
          softmax(probabilities, rows: rows.count, columns: keys, numerators: step.quantizesNumerators)
        }
        timed(step.mixing.work) {
          let output = floats(step.output) + rows.lowerBound * valueChannels + head * step.mixing.outputs
          multiply(
            step.mixing, probabilityOperand(of: step, rows: rows.count), from: 0,
            stride: step.mixing.codes == nil ? keys : PackedWeights.paddedInputChannels(keys), rows: rows.count,
            into: output, stride: valueChannels)
          if step.quantizesNumerators { normalize(output, by: step, rows: rows.count) }
        }
      }
    }
  }

  private func softmax(_ values: UnsafeMutablePointer<Float>, rows: Int, columns: Int, numerators: Bool) {
    split(rows) { range in
      var arguments = ht_softmax(
        values: values + range.lowerBound * columns, rows: Int64(range.count), row_stride: Int64(columns),
        columns: Int32(columns), numerators: numerators ? 1 : 0)
      kernels.softmaxRows(&arguments)
    }
  }

  /// Divides a block's mixtures by the sums of the quantised numerators that they were mixed by.
  private func normalize(_ output: UnsafeMutablePointer<Float>, by step: AttentionStep, rows: Int) {
    let product = step.mixing
    let (keys, stride) = (step.keyCount, step.shapes[2].channels)
    split(rows) { range in
      for row in range {
        var sum = 0.0
        if let codes = product.codes {
          let line = bytes(codes.left) + row * PackedWeights.paddedInputChannels(keys)
          var whole: UInt32 = 0
          for key in 0..<keys { whole &+= UInt32(line[key]) }
          sum = Double(whole) * Double(quantizer(product.leftQuantizers, at: product.leftSite).scales[0])
        } else {
          let line = floats(step.probabilities) + row * keys
          for key in 0..<keys { sum += Double(line[key]) }
        }
        guard sum > 0 else { continue }
        kernels.affine(output + row * stride, Float(1 / sum), 0, output + row * stride, product.outputs)
      }
    }
  }

  // MARK: Operands

  /// Where a product reads an operand: Float, or codes.
  private typealias Operand = UnsafeMutableRawPointer

  private func leftOperand(of product: AttentionProduct, _ left: BufferID, _ shape: Shape) -> Operand {
    guard let codes = product.codes else {
      return Operand(simulated(left, shape, product.leftSite, product.leftQuantizers, scratch: product.leftScratch))
    }
    writeCodes(
      of: floats(left), quantizer(product.leftQuantizers, at: product.leftSite), pixels: shape.positions,
      channels: shape.channels, pixelStride: shape.channels, to: codes.left)
    return Operand(bytes(codes.left))
  }

  private func rightOperand(of product: AttentionProduct, _ right: BufferID, _ shape: Shape) -> Operand {
    guard let codes = product.codes else {
      return Operand(
        simulated(right, shape, product.rightSite, product.rightQuantizers, scratch: product.rightScratch))
    }
    writeCodes(
      of: floats(right), quantizer(product.rightQuantizers, at: product.rightSite), pixels: shape.positions,
      channels: shape.channels, pixelStride: shape.channels, to: codes.right)
    return Operand(bytes(codes.right))
  }

  /// A block of one head's probabilities as the values are mixed by them.
  private func probabilityOperand(of step: AttentionStep, rows: Int) -> Operand {
    let product = step.mixing
    let values = floats(step.probabilities)
    let keys = step.keyCount
    observer?(
      ObservedValue(
        site: product.leftSite, shape: .scores(heads: 1, queries: rows, keys: keys), base: UnsafePointer(values),
        isChannelsLast: false, width: 1, pixelStride: keys, rowStride: keys))
    if let codes = product.codes {
      writeCodes(
        of: values, quantizer(product.leftQuantizers, at: product.leftSite), pixels: rows, channels: keys,
        pixelStride: PackedWeights.paddedInputChannels(keys), to: codes.left)
      return Operand(bytes(codes.left))
    }
    if let quantizers = product.leftQuantizers {
      simulate(values, rows * keys, quantizers.quantizer(at: constants.key), channels: keys)
    }
    return Operand(values)
  }

  /// The operand observed, and passed through its fake quantiser where it has one.
  private func simulated(
    _ buffer: BufferID, _ shape: Shape, _ site: Site, _ quantizers: ActivationQuantizers?, scratch: BufferID?
  ) -> UnsafeMutablePointer<Float> {
    let source = floats(buffer)
    observer?(
      ObservedValue(
        site: site, shape: shape, base: UnsafePointer(source), isChannelsLast: false, width: 1,
        pixelStride: shape.channels, rowStride: shape.channels))
    guard let scratch, let quantizers else { return source }
    let copy = floats(scratch)
    copy.update(from: source, count: shape.count)
    simulate(copy, shape.count, quantizers.quantizer(at: constants.key), channels: shape.channels)
    return copy
  }

  private func quantizer(_ quantizers: ActivationQuantizers?, at site: Site) -> AffineQuantizer {
    guard let quantizers else { preconditionFailure("\(site) has codes and no quantisers") }
    return quantizers.quantizer(at: constants.key)
  }

  // MARK: Products

  /// Packs one head's right operand, each worker some blocks of its outputs.
  /// - Parameter readsRows: whether an output's weights are a row of the operand (keys) or a column (values).
  private func pack(_ product: AttentionProduct, _ right: Operand, head: Int, channels: Int, readsRows: Bool) {
    let (outputStride, inputStride) = readsRows ? (channels, 1) : (1, channels)
    split(PackedWeights.blocks(product.outputs)) { blocks in
      let first = blocks.lowerBound * PackedWeights.blockWidth
      let outputs = min(blocks.upperBound * PackedWeights.blockWidth, product.outputs) - first
      let source = head * (readsRows ? product.inputs : product.outputs) + first * outputStride
      guard let codes = product.codes else {
        var pack = ht_pack()
        pack.source = UnsafePointer(right.assumingMemoryBound(to: Float.self) + source)
        pack.output_stride = Int64(outputStride)
        pack.input_stride = Int64(inputStride)
        pack.output_channels = Int32(outputs)
        pack.input_channels = Int32(product.inputs)
        pack.destination = floats(product.packed) + first * product.inputs
        return kernels.packMatrix(&pack)
      }
      var pack = ht_pack_codes()
      pack.source = UnsafePointer(right.assumingMemoryBound(to: UInt8.self) + source)
      pack.output_stride = Int64(outputStride)
      pack.input_stride = Int64(inputStride)
      pack.output_channels = Int32(outputs)
      pack.input_channels = Int32(product.inputs)
      pack.left_zero_point = Int32(quantizer(product.leftQuantizers, at: product.leftSite).zeroPoints[0])
      pack.destination = bytes(product.packed) + first * PackedWeights.paddedInputChannels(product.inputs)
      pack.start = (arena + program.offset(codes.constants)).assumingMemoryBound(to: Int32.self) + first
      kernels.packCodes(&pack)
    }
  }

  /// Rows of the left operand times the packed right one.
  /// - Parameters: first: element of the left operand where the first row begins; stride: elements from row to row.
  private func multiply(
    _ product: AttentionProduct, _ left: Operand, from first: Int, stride: Int, rows: Int,
    into output: UnsafeMutablePointer<Float>, stride outputStride: Int
  ) {
    let blocks = PackedWeights.blocks(product.outputs)
    guard let codes = product.codes else {
      let zeros = [Float](repeating: 0, count: blocks * PackedWeights.blockWidth)
      zeros.withUnsafeBufferPointer { zeros in
        withRowProduct(
          of: left.assumingMemoryBound(to: Float.self) + first, stride: stride, inputs: product.inputs,
          by: floats(product.packed), bias: zeros.baseAddress!, into: output, stride: outputStride,
          outputs: product.outputs
        ) { convolve($0, rows: rows, blocks: blocks, weights: .float) }
      }
      guard product.scale != 1 else { return }
      if outputStride == product.outputs {
        return kernels.affine(output, product.scale, 0, output, rows * product.outputs)
      }
      for row in 0..<rows {
        kernels.affine(output + row * outputStride, product.scale, 0, output + row * outputStride, product.outputs)
      }
      return
    }
    let padded = blocks * PackedWeights.blockWidth
    let (scale, bias) = (floats(codes.constants) + padded, floats(codes.constants) + 2 * padded)
    let factor =
      quantizer(product.leftQuantizers, at: product.leftSite).scales[0]
      * quantizer(product.rightQuantizers, at: product.rightSite).scales[0] * product.scale
    scale.update(repeating: factor, count: padded)
    bias.update(repeating: 0, count: padded)
    let start = (arena + program.offset(codes.constants)).assumingMemoryBound(to: Int32.self)
    withRowProduct(
      of: left.assumingMemoryBound(to: UInt8.self) + first, stride: stride,
      inputs: PackedWeights.paddedInputChannels(product.inputs), by: bytes(product.packed), bias: bias, into: output,
      stride: outputStride, outputs: product.outputs
    ) { arguments in
      arguments.start = UnsafePointer(start)
      arguments.scale = UnsafePointer(scale)
      convolve(arguments, rows: rows, blocks: blocks, weights: .integer)
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

  // MARK: Codes

  private func bytes(_ buffer: BufferID) -> UnsafeMutablePointer<UInt8> {
    (arena + program.offset(buffer)).assumingMemoryBound(to: UInt8.self)
  }

  private func writeCodes(
    of source: UnsafeMutablePointer<Float>, _ quantizer: AffineQuantizer, pixels: Int, channels: Int,
    pixelStride: Int, to target: BufferID
  ) {
    split(pixels) { range in
      var pass = ht_transform(
        line: source + range.lowerBound * channels, pixels: range.count, channels: channels,
        to: bytes(target) + range.lowerBound * pixelStride, pixelStride: pixelStride)
      pass.write(.codes(quantizer))
      kernels.transform(&pass)
    }
  }
}
