import CKernels
import Graphs
import Tensors

extension GradientExecutor {
  /// A convolution or linear layer, its input quantised first where a quantiser stands there.
  func contract(_ node: Node) {
    guard let layer = layers[node.index] else { return }
    let weights = packedWeights(of: layer, node, .forward)
    for part in parts(for: layer.geometry) {
      forEach(part) { image in
        quantizeInput(node, image)
        let grid = inputGrid(layer.geometry, layerInput(node, image), image)
        convolve(layer, .forward, weights, grid, into: result(node, image))
      }
    }
  }

  /// One image's convolution in one direction: of its input by the weights, or of its cotangent by the flipped, transposed ones.
  /// - Parameter accumulate: whether the result is added to what `out` holds.
  private func convolve(
    _ layer: GradientLayer, _ direction: GradientLayer.Direction, _ weights: UnsafePointer<Float>,
    _ grid: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, accumulate: Bool = false
  ) {
    let geometry = layer.geometry
    let isForward = direction == .forward
    let (inputs, outputs) =
      isForward ? (geometry.channels, geometry.outputChannels) : (geometry.outputChannels, geometry.channels)
    let (height, width) = isForward ? (geometry.outputHeight, geometry.outputWidth) : (geometry.height, geometry.width)
    // A cotangent's grid is spread out by the stride already.
    let stride = isForward ? geometry.stride : 1
    let blocks = PackedWeights.blocks(outputs)
    let bias = isForward ? layer.bias : [Float](repeating: 0, count: blocks * PackedWeights.blockWidth)
    bias.withUnsafeBufferPointer { bias in
      (isForward ? layer.forwardOffsets : layer.backwardOffsets).withUnsafeBufferPointer { offsets in
        var pass = ht_convolution()
        pass.input = UnsafeRawPointer(grid)
        pass.tap_offsets = offsets.baseAddress
        pass.taps = Int32(geometry.taps)
        pass.input_channels = Int32(inputs)
        pass.input_row_stride = Int64(stride * geometry.pitch * inputs)
        pass.input_pixel_stride = Int64(stride * inputs)
        pass.weights = UnsafeRawPointer(weights)
        pass.bias = bias.baseAddress
        pass.residual = accumulate ? UnsafePointer(out) : nil
        pass.output = out
        pass.output_row_stride = Int64(width * outputs)
        pass.output_pixel_stride = Int64(outputs)
        pass.width = Int32(width)
        pass.row_end = Int32(height)
        pass.block_end = Int32(blocks)
        pass.output_channels = Int32(outputs)
        kernels.convolveF32(&pass)
      }
    }
  }

  /// Writes one image's quantised input of a layer, where a quantiser stands.
  func quantizeInput(_ node: Node, _ image: Int) {
    guard let quantizer = quantizers[node.index] else { return }
    let size = elementCount(node.inputs[0])
    quantizer.forward(operand(node, image), into: layerInput(node, image), count: size, image: image)
  }

  /// What a layer multiplies: its quantised input where a quantiser stands, else its operand.
  private func layerInput(_ node: Node, _ image: Int) -> UnsafeMutablePointer<Float> {
    let slot = memory.slots.site(of: node.index) ?? memory.slots.root(node.inputs[0])
    return value(at: slot) + image * elementCount(node.inputs[0])
  }

  /// The input's gradient by the convolution kernel on the flipped, transposed weights; the weight's by matrix products;
  /// the bias's by sums.
  func contractGradient(_ node: Node) {
    guard let layer = layers[node.index] else { return }
    let geometry = layer.geometry
    let needsWeight = layer.isLearned
    let site = memory.slots.site(of: node.index)
    let input = contribution(to: site ?? memory.slots.root(node.inputs[0]))
    let size = elementCount(node.inputs[0])
    let needsBias = layer.biasName.map { targets.parameters.contains($0) } ?? false
    var biases = [Float](repeating: 0, count: needsBias ? count * geometry.outputChannels : 0)
    let weights = input == nil ? nil : packedWeights(of: layer, node, .backward)
    biases.withUnsafeMutableBufferPointer { biases in
      let biases = biases
      for part in parts(for: geometry) {
        forEach(part) { image in
          let dy = cotangent(node, image)
          let grid = cotangentGrid(geometry, dy, image)
          if let input, let weights {
            convolve(
              layer, .backward, weights, grid, into: input.base + image * size, accumulate: input.accumulate)
          }
          // The forward pass has used the input's grid for another layer or image since.
          if needsWeight { _ = inputGrid(geometry, layerInput(node, image), image) }
          if needsBias, let base = biases.baseAddress {
            let pixels = geometry.outputHeight * geometry.outputWidth
            sums(dy, pixels, geometry.outputChannels, into: base + image * geometry.outputChannels)
          }
        }
        if needsWeight { addWeightGradient(node, layer, of: part) }
      }
    }
    if needsWeight { deliverGradient(of: layer, node) }
    if needsBias, let name = layer.biasName { setGradient(name, count: geometry.outputChannels, biases) }
    if let site, let quantizer = quantizers[node.index] {
      let target = contribution(node)
      forEachImage { image in
        // A quantiser learns from its cotangent even where its operand needs none.
        let dx = target.map { $0.base + image * size } ?? memory.scratch(image: image)
        quantizer.backward(
          operand(node, image), memory.cotangent(site) + image * size, into: dx,
          accumulate: target?.accumulate ?? false, count: size, image: image)
      }
    }
  }

  /// Rows of a weight's gradient that are formed together: enough for the product's blocking, few enough to share.
  private static let gradientRows = 64

  /// One product per tap and block of output channels, image after image; the batch's first image begins the sums.
  private func addWeightGradient(_ node: Node, _ layer: GradientLayer, of images: Range<Int>) {
    let geometry = layer.geometry
    let (inputs, outputs, taps) = (geometry.channels, geometry.outputChannels, geometry.taps)
    let blocks = (outputs + Self.gradientRows - 1) / Self.gradientRows
    pool.parallel(taps * blocks) { piece in
      let (block, tap) = piece.quotientAndRemainder(dividingBy: taps)
      let first = block * Self.gradientRows
      let rows = min(Self.gradientRows, outputs - first)
      let shift = (tap / geometry.kernelWidth * geometry.pitch + tap % geometry.kernelWidth) * inputs
      for image in images {
        let dy: UnsafePointer<Float>
        let x: UnsafePointer<Float>
        if geometry.isPointwise {
          dy = UnsafePointer(cotangent(node, image) + first)
          x = UnsafePointer(layerInput(node, image))
        } else {
          dy = UnsafePointer(
            memory.cotangentGrid(geometry, image: image) + geometry.cotangentOrigin * outputs + first)
          x = UnsafePointer(memory.inputGrid(geometry, image: image) + shift)
        }
        multiply(
          FloatMatrix(dy, stride: outputs, transposed: true), FloatMatrix(x, stride: inputs), rows: rows,
          columns: inputs, inner: geometry.span, accumulate: image > 0,
          into: memory.layerGradient + (first * taps + tap) * inputs, stride: taps * inputs)
      }
    }
  }

  // MARK: Grids

  /// The input inside its padding; the values themselves where there is none.
  private func inputGrid(
    _ geometry: LayerGeometry, _ x: UnsafeMutablePointer<Float>, _ image: Int
  ) -> UnsafeMutablePointer<Float> {
    if geometry.isPointwise { return x }
    let grid = memory.inputGrid(geometry, image: image)
    grid.update(repeating: 0, count: geometry.inputGridCount)
    let line = geometry.width * geometry.channels
    for y in 0..<geometry.height {
      let start = ((y + geometry.top) * geometry.pitch + geometry.left) * geometry.channels
      (grid + start).update(from: x + y * line, count: line)
    }
    return grid
  }

  /// The cotangent spread out by the stride, zeros between; the values themselves where nothing changes.
  private func cotangentGrid(
    _ geometry: LayerGeometry, _ dy: UnsafeMutablePointer<Float>, _ image: Int
  ) -> UnsafeMutablePointer<Float> {
    if geometry.isPointwise { return dy }
    let grid = memory.cotangentGrid(geometry, image: image)
    grid.update(repeating: 0, count: geometry.cotangentGridCount)
    let channels = geometry.outputChannels
    for y in 0..<geometry.outputHeight {
      let start = grid + (geometry.cotangentOrigin + y * geometry.stride * geometry.pitch) * channels
      let line = dy + y * geometry.outputWidth * channels
      if geometry.stride == 1 {
        start.update(from: line, count: geometry.outputWidth * channels)
      } else {
        for x in 0..<geometry.outputWidth {
          (start + x * geometry.stride * channels).update(from: line + x * channels, count: channels)
        }
      }
    }
    return grid
  }
}
