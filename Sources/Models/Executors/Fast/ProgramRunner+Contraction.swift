import CKernels
import Tensors

extension ProgramRunner {
  func run(_ contraction: Contraction) {
    let slot = constants.slots[contraction.slot]
    let halo = contraction.halo
    let isInteger = contraction.arithmetic == .integer
    let input: UnsafeMutableRawPointer
    if let scratch = contraction.scratch {
      input = arena + program.offset(scratch)
      timed(contraction.preparation.work(toCodes: isInteger)) {
        fillBorder(of: halo, at: input, code: isInteger ? UInt8(slot.input!.zeroPoints[0]) : nil)
        prepare(
          contraction.preparation,
          into: Destination(
            base: input + halo.firstElement * (isInteger ? 1 : 4), rowStride: halo.width * halo.pixelStride,
            pixelStride: halo.pixelStride, quantizer: isInteger ? slot.input : nil))
      }
    } else {
      input = UnsafeMutableRawPointer(floats(contraction.preparation.segments[0].buffer))
    }
    if !isInteger { observeAndSimulate(contraction, input.assumingMemoryBound(to: Float.self), slot.input) }
    timed(contraction.work) { multiply(contraction, input, slot) }
    if let quantizer = slot.output {
      let count = contraction.outputHeight * contraction.outputWidth * contraction.outputChannels
      simulate(floats(contraction.output), count, quantizer, channels: contraction.outputChannels)
    }
  }

  private func observeAndSimulate(
    _ contraction: Contraction, _ input: UnsafeMutablePointer<Float>, _ quantizer: AffineQuantizer?
  ) {
    let halo = contraction.halo
    observer?(
      ObservedValue(
        site: Site(node: contraction.path, role: .input), dims: contraction.inputDims,
        base: UnsafePointer(input + halo.firstElement), isChannelsLast: true,
        width: halo.width - halo.padding.left - halo.padding.right,
        pixelStride: halo.pixelStride, rowStride: halo.width * halo.pixelStride))
    // The border holds zeros, which every activation quantiser represents exactly.
    if let quantizer { simulate(input, halo.count, quantizer, channels: halo.pixelStride) }
  }

  /// Fake quantisation in place of values in N H W C order.
  func simulate(_ values: UnsafeMutablePointer<Float>, _ count: Int, _ quantizer: AffineQuantizer, channels: Int) {
    if case .perTensor = quantizer.granularity {
      var pass = ht_simulation(
        source: UnsafePointer(values), destination: values, count: Int64(count), step: quantizer.scales[0],
        inverse_step: 1 / quantizer.scales[0], zero_point: Int32(quantizer.zeroPoints[0]),
        largest: Int32(quantizer.largestCode))
      kernels.simulate(&pass)
    } else {
      var copy = Array(UnsafeBufferPointer(start: values, count: count))
      quantizer.simulate(&copy, channelStride: 1, channelCount: channels)
      values.update(from: copy, count: count)
    }
  }

  private func multiply(_ contraction: Contraction, _ input: UnsafeMutableRawPointer, _ slot: CallConstants.Slot) {
    let halo = contraction.halo
    let (height, width) = (contraction.outputHeight, contraction.outputWidth)
    let blocks = contraction.weights.blocks
    contraction.tapOffsets.withUnsafeBufferPointer { offsets in
      constants.floats.withUnsafeBufferPointer { floats in
        constants.integers.withUnsafeBufferPointer { integers in
          var arguments = ht_convolution()
          arguments.input = UnsafeRawPointer(input)
          arguments.tap_offsets = offsets.baseAddress
          arguments.taps = Int32(offsets.count)
          arguments.input_channels = Int32(halo.pixelStride)
          arguments.input_row_stride = Int64(halo.width * halo.pixelStride * contraction.stride)
          arguments.input_pixel_stride = Int64(halo.pixelStride * contraction.stride)
          arguments.weights = UnsafeRawPointer(contraction.weights.buffer.raw)
          arguments.bias = floats.baseAddress! + slot.bias
          if contraction.arithmetic == .integer {
            arguments.scale = floats.baseAddress! + slot.scale
            arguments.start = integers.baseAddress! + slot.start
          }
          arguments.residual = contraction.residual.map { UnsafePointer(self.floats($0)) }
          arguments.output = self.floats(contraction.output)
          arguments.output_row_stride = Int64(width * contraction.outputChannels)
          arguments.output_pixel_stride = Int64(contraction.outputChannels)
          arguments.width = Int32(width)
          arguments.output_channels = Int32(contraction.outputChannels)
          convolve(arguments, rows: height, blocks: blocks, isInteger: contraction.arithmetic == .integer)
        }
      }
    }
  }

  /// Divides a convolution among the workers: by blocks of output channels where they divide evenly, else by rows.
  func convolve(_ arguments: ht_convolution, rows: Int, blocks: Int, isInteger: Bool) {
    let threads = pool?.threads ?? 1
    let byBlocks = blocks % threads == 0 || blocks >= 4 * threads || rows == 1
    split(byBlocks ? blocks : rows) { range in
      var piece = arguments
      piece.row_begin = Int32(byBlocks ? 0 : range.lowerBound)
      piece.row_end = Int32(byBlocks ? rows : range.upperBound)
      piece.block_begin = Int32(byBlocks ? range.lowerBound : 0)
      piece.block_end = Int32(byBlocks ? range.upperBound : blocks)
      if isInteger { kernels.convolveU8S8(&piece) } else { kernels.convolveF32(&piece) }
    }
  }

  /// Sets the padding to zero, or to the code that stands for zero (it changes with the step).
  private func fillBorder(of halo: Halo, at base: UnsafeMutableRawPointer, code: UInt8?) {
    if halo.isBare { return }
    let size = halo.pixelStride * (code == nil ? 4 : 1)
    let row = halo.width * size
    func fill(_ offset: Int, _ bytes: Int) {
      UnsafeMutableRawBufferPointer(start: base + offset, count: bytes).initializeMemory(
        as: UInt8.self, repeating: code ?? 0)
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
