import CKernels
import Graphs
import Tensors

extension ProgramRunner {
  func run(_ contraction: Contraction) {
    let slot = constants.slots[contraction.slot]
    let halo = contraction.halo
    let elements = elements(of: contraction, slot)
    let input: UnsafeMutableRawPointer
    if let scratch = contraction.scratch {
      input = arena + program.offset(scratch)
      if !contraction.isPrepared {
        timed(contraction.preparation.work(writing: elements)) {
          fillBorder(of: halo, at: input, elements)
          prepare(
            contraction.preparation,
            into: Destination(
              base: input + halo.firstElement * elements.size, rowStride: halo.width * halo.pixelStride,
              pixelStride: halo.pixelStride, elements: elements,
              factors: contraction.isInteger ? contraction.inputFactors : nil))
        }
      }
    } else {
      input = UnsafeMutableRawPointer(floats(contraction.preparation.segments[0].buffer))
    }
    if case .float = elements { observeAndSimulate(contraction, input.assumingMemoryBound(to: Float.self), slot.input) }
    timed(contraction.work) {
      if let tiles = contraction.winograd {
        multiplyTiles(contraction, tiles, input.assumingMemoryBound(to: Float.self), slot)
      } else {
        multiply(contraction, input, slot)
      }
    }
    if let quantizer = slot.output {
      let count = contraction.outputHeight * contraction.outputWidth * contraction.outputChannels
      simulate(floats(contraction.output), count, quantizer, channels: contraction.outputChannels)
    }
  }

  /// What the contraction's input is written as. - Precondition: an integer layer's input is quantised, as packing its weights required.
  private func elements(of contraction: Contraction, _ slot: CallConstants.Slot) -> StoredElements {
    if contraction.isBFloat16 { return .bfloat16 }
    if contraction.isInteger, let quantizer = slot.input { return .codes(quantizer) }
    return .float
  }

  private func observeAndSimulate(
    _ contraction: Contraction, _ input: UnsafeMutablePointer<Float>, _ quantizer: AffineQuantizer?
  ) {
    let halo = contraction.halo
    observer?(
      ObservedValue(
        site: Site(node: contraction.path, role: .input), shape: contraction.inputShape,
        base: UnsafePointer(input + halo.firstElement), isChannelsLast: true,
        width: halo.width - halo.padding.left - halo.padding.right,
        pixelStride: halo.pixelStride, rowStride: halo.width * halo.pixelStride))
    // The border holds zeros, which every activation quantiser represents exactly.
    guard let quantizer else { return }
    if let factors = contraction.inputFactors { scaleChannels(input, by: factors, pixels: halo.height * halo.width) }
    simulate(input, halo.count, quantizer, channels: halo.pixelStride)
    if let scales = contraction.inputScales { scaleChannels(input, by: scales, pixels: halo.height * halo.width) }
  }

  /// Fake quantisation in place of values in N H W C order.
  func simulate(_ values: UnsafeMutablePointer<Float>, _ count: Int, _ quantizer: AffineQuantizer, channels: Int) {
    func pass(_ values: UnsafeMutablePointer<Float>, _ count: Int, granule: Int) {
      var pass = ht_simulation(
        source: UnsafePointer(values), destination: values, count: Int64(count), step: quantizer.scales[granule],
        inverse_step: 1 / quantizer.scales[granule], zero_point: Int32(quantizer.zeroPoints[granule]),
        largest: Int32(quantizer.largestCode))
      kernels.simulate(&pass)
    }
    switch quantizer.granularity {
    case .perTensor: pass(values, count, granule: 0)
    case .split(let boundaries):
      for pixel in stride(from: 0, to: count, by: channels) {
        var start = 0
        for (granule, end) in (boundaries + [channels]).enumerated() {
          pass(values + pixel + start, end - start, granule: granule)
          start = end
        }
      }
    case .perChannel, .rowSplit:
      var copy = Array(UnsafeBufferPointer(start: values, count: count))
      quantizer.simulate(&copy, channelStride: 1, channelCount: channels)
      values.update(from: copy, count: count)
    }
  }

  /// Multiplies each channel of pixels by its factor, in place.
  private func scaleChannels(_ values: UnsafeMutablePointer<Float>, by factors: [Float], pixels: Int) {
    factors.withUnsafeBufferPointer { factors in
      var pass = ht_transform(
        line: values, pixels: pixels, channels: factors.count, to: values, pixelStride: factors.count)
      pass.factor = factors.baseAddress
      kernels.transform(&pass)
    }
  }

  private func multiply(_ contraction: Contraction, _ input: UnsafeMutableRawPointer, _ slot: CallConstants.Slot) {
    let halo = contraction.halo
    let (height, width) = (contraction.outputHeight, contraction.outputWidth)
    contraction.tapOffsets.withUnsafeBufferPointer { offsets in
      constants.floats.withUnsafeBufferPointer { floats in
        constants.integers.withUnsafeBufferPointer { integers in
          for (position, part) in contraction.parts.enumerated() {
            let places = slot.parts[position]
            var arguments = ht_convolution()
            arguments.input = UnsafeRawPointer(input + part.channels.lowerBound * part.weights.format.inputSize)
            arguments.tap_offsets = offsets.baseAddress
            part.weights.set(in: &arguments)
            arguments.input_row_stride = Int64(halo.width * halo.pixelStride * contraction.stride)
            arguments.input_pixel_stride = Int64(halo.pixelStride * contraction.stride)
            arguments.bias = floats.baseAddress! + places.bias
            if contraction.isInteger {
              arguments.scale = floats.baseAddress! + places.scale
              arguments.start = integers.baseAddress! + places.start
            }
            // Later parts add to what the first has stored.
            arguments.residual = (position == 0 ? contraction.residual : .some(contraction.output)).map {
              UnsafePointer(self.floats($0))
            }
            arguments.output = self.floats(contraction.output)
            arguments.output_row_stride = Int64(width * contraction.outputChannels)
            arguments.output_pixel_stride = Int64(contraction.outputChannels)
            arguments.width = Int32(width)
            arguments.output_channels = Int32(contraction.outputChannels)
            convolve(arguments, rows: height, blocks: contraction.blocks, weights: part.weights.format)
          }
        }
      }
    }
  }

  /// Divides a convolution among the workers, by blocks of output channels and by rows.
  func convolve(_ arguments: ht_convolution, rows: Int, blocks: Int, weights: PackedWeights.Format) {
    let kernel = kernel(for: weights)
    let grid = WorkGrid(rows: rows, blocks: blocks, workers: workers)
    parallel(grid.pieces) { index in
      var piece = arguments
      let (rows, blocks) = grid.piece(index)
      piece.row_begin = Int32(rows.lowerBound)
      piece.row_end = Int32(rows.upperBound)
      piece.block_begin = Int32(blocks.lowerBound)
      piece.block_end = Int32(blocks.upperBound)
      kernel(&piece)
    }
  }

  private func kernel(for weights: PackedWeights.Format) -> @convention(c) (UnsafePointer<ht_convolution>) -> Void {
    switch weights {
    case .float, .winograd: kernels.convolveF32
    case .integer: kernels.convolveU8S8
    case .bfloat16:
      kernels.convolveBF16 ?? { _ in preconditionFailure("an executor in bfloat16 was made without its kernel") }
    }
  }

  /// Sets the padding to zero, or to the codes that stand for zero (they change with the step).
  private func fillBorder(of halo: Halo, at base: UnsafeMutableRawPointer, _ elements: StoredElements) {
    if halo.isBare { return }
    let size = halo.pixelStride * elements.size
    let quantizer = if case .codes(let quantizer) = elements { quantizer } else { nil as AffineQuantizer? }
    let row = halo.width * size
    // One pixel's codes, where its channels differ.
    let pattern =
      quantizer.map { quantizer in
        quantizer.boundaries.isEmpty
          ? [] : (0..<size).map { UInt8(quantizer.zeroPoints[quantizer.granule(ofChannel: $0)]) }
      } ?? []
    let code = UInt8(quantizer?.zeroPoints[0] ?? 0)
    func fill(_ offset: Int, _ bytes: Int) {
      let target = UnsafeMutableRawBufferPointer(start: base + offset, count: bytes)
      if pattern.isEmpty {
        target.initializeMemory(as: UInt8.self, repeating: code)
      } else {
        for pixel in stride(from: 0, to: bytes, by: size) {
          UnsafeMutableRawBufferPointer(rebasing: target[pixel..<(pixel + size)]).copyBytes(from: pattern)
        }
      }
    }
    let padding = halo.padding
    fill(0, padding.top * row)
    for y in padding.top..<(halo.height - padding.bottom) {
      fill(y * row, padding.left * size)
      fill((y + 1) * row - padding.right * size, padding.right * size)
    }
    fill((halo.height - padding.bottom) * row, padding.bottom * row)
  }
}
