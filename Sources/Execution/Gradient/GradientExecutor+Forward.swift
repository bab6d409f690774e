import CKernels
import Diffusion
import Graphs
import Tensors

extension GradientExecutor {
  /// Evaluates the segment on the inputs' values.
  /// - Parameter images: at most the capacity.
  package func forward(images: Int) {
    precondition((1...capacity).contains(images))
    count = images
    isBack = false
    for index in segment.nodes { forward(graph.nodes[index]) }
  }

  /// An operand's value for one image.
  func operand(_ node: Node, _ position: Int, _ image: Int) -> UnsafeMutablePointer<Float> {
    let input = node.inputs[position]
    return value(at: memory.slots.root(input)) + image * elementCount(input)
  }

  /// The first operand's value for one image.
  func operand(_ node: Node, _ image: Int) -> UnsafeMutablePointer<Float> { operand(node, 0, image) }

  func result(_ node: Node, _ image: Int) -> UnsafeMutablePointer<Float> {
    value(at: node.index) + image * node.count
  }

  /// Computes a node's result from its operands.
  func forward(_ node: Node) {
    switch node.op {
    case .input: preconditionFailure("\(node.path) is given, not evaluated")
    case .toTokens, .fromTokens: break
    case .sinusoidalEmbedding, .fourierEmbedding, .embedding: embed(node)
    case .conv2d, .linear: contract(node)
    case .attention(let attention): attend(node, attention)
    case .groupNorm(let scale, let shift, let groups, let epsilon):
      normalize(node, scale: scale, shift: shift, groups: groups, epsilon: epsilon)
    case .layerNorm(let scale, let shift, let epsilon):
      normalizeRows(node, scale: scale, shift: shift, epsilon: epsilon)
    case .geglu:
      forEachImage { image in
        var pass = ht_geglu(
          source: UnsafePointer(operand(node, image)), rows: Int32(pixels(node)), channels: Int32(channels(node)),
          out: ht_row_store(result(node, image), channels: channels(node)))
        kernels.geglu(&pass)
      }
    case .activation(let activation):
      forEachImage { image in
        transform(operand(node, image), node.count, 1, into: result(node, image), activation: activation.kernelCode)
      }
    case .add:
      forEachImage { kernels.add(operand(node, 0, $0), operand(node, 1, $0), result(node, $0), node.count) }
    case .addPerChannel:
      forEachImage { image in
        transform(
          operand(node, image), pixels(node), channels(node), into: result(node, image),
          shift: operand(node, 1, image))
      }
    case .scaleShift:
      forEachImage { image in
        let (channels, factors) = (channels(node), operand(node, 1, image))
        withChannels(channels) { scale in
          for c in 0..<channels { scale[c] = 1 + factors[c] }
          transform(
            operand(node, image), pixels(node), channels, into: result(node, image), scale: scale,
            shift: factors + channels)
        }
      }
    case .affine(let scale, let offset):
      forEachImage { kernels.affine(operand(node, $0), scale, offset, result(node, $0), node.count) }
    case .divideByTimestep:
      forEachImage { kernels.affine(operand(node, $0), 1 / operand(node, 1, $0)[0], 0, result(node, $0), node.count) }
    case .concatenate: concatenate(node)
    case .upsampleNearest:
      forEachImage { resample(operand(node, $0), dims(node.inputs[0]), into: result(node, $0)) }
    case .averagePool:
      forEachImage { pool(operand(node, $0), dims(node.inputs[0]), into: result(node, $0)) }
    case .pool(let pooling):
      let (source, channels) = (dims(node.inputs[0]), channels(node))
      forEachImage { image in
        ProgramRunner.slide(
          pooling, from: operand(node, image), height: source[1], width: source[2], channels: channels,
          to: result(node, image), rows: 0..<node.dims[1], columns: node.dims[2])
      }
    case .globalAveragePool:
      forEachImage { image in
        let pixels = elementCount(node.inputs[0]) / node.count
        sums(operand(node, image), pixels, node.count, into: result(node, image))
        kernels.affine(result(node, image), 1 / Float(pixels), 0, result(node, image), node.count)
      }
    }
  }

  /// Functions of one number per image, which lies in the operand's value.
  private func embed(_ node: Node) {
    for image in 0..<count {
      let values = TemporalEmbedding.values(of: node, number: Double(operand(node, image)[0]), parameters: parameters)
      result(node, image).update(from: values, count: values.count)
    }
  }

  private func concatenate(_ node: Node) {
    let (first, second) = (channelCount(node.inputs[0]), channelCount(node.inputs[1]))
    forEachImage { image in
      let (a, b, out) = (operand(node, 0, image), operand(node, 1, image), result(node, image))
      for pixel in 0..<pixels(node) {
        (out + pixel * (first + second)).update(from: a + pixel * first, count: first)
        (out + pixel * (first + second) + first).update(from: b + pixel * second, count: second)
      }
    }
  }

  // MARK: Passes over dense values of one image

  func channelCount(_ node: Int) -> Int { graph.nodes[node].shape.channels }
  func channels(_ node: Node) -> Int { channelCount(node.index) }
  func pixels(_ node: Node) -> Int { node.count / channels(node) }

  /// activation(x scale[c] + shift[c]).
  func transform(
    _ x: UnsafePointer<Float>, _ pixels: Int, _ channels: Int, into out: UnsafeMutablePointer<Float>,
    scale: UnsafePointer<Float>? = nil, shift: UnsafePointer<Float>? = nil, activation: Int32 = 0
  ) {
    var pass = ht_transform()
    pass.source = x
    pass.source_pixel_stride = Int64(channels)
    pass.scale = scale
    pass.shift = shift
    pass.destination = UnsafeMutableRawPointer(out)
    pass.destination_pixel_stride = Int64(channels)
    pass.height = 1
    pass.width = Int32(pixels)
    pass.channels = Int32(channels)
    pass.activation = activation
    kernels.transform(&pass)
  }

  /// Every pixel twice in both directions, multiplied by `factors` if there are any.
  func resample(
    _ x: UnsafePointer<Float>, _ dims: [Int], into out: UnsafeMutablePointer<Float>, outWidth: Int? = nil,
    factors: UnsafePointer<Float>? = nil
  ) {
    let (channels, height, width) = (dims[0], dims[1], dims[2])
    var pass = ht_transform()
    pass.source = x
    pass.source_row_stride = Int64(width * channels)
    pass.source_pixel_stride = Int64(channels)
    pass.scale = factors
    pass.destination = UnsafeMutableRawPointer(out)
    pass.destination_row_stride = Int64((outWidth ?? 2 * width) * channels)
    pass.destination_pixel_stride = Int64(channels)
    pass.height = Int32(2 * height)
    pass.width = Int32(2 * width)
    pass.channels = Int32(channels)
    pass.upsample_shift = 1
    kernels.transform(&pass)
  }

  /// Means over 2x2 blocks.
  func pool(_ x: UnsafePointer<Float>, _ dims: [Int], into out: UnsafeMutablePointer<Float>) {
    let (channels, height, width) = (dims[0], dims[1], dims[2])
    var pass = ht_average_pool()
    pass.source = x
    pass.source_row_stride = Int64(width * channels)
    pass.source_pixel_stride = Int64(channels)
    pass.destination = out
    pass.destination_row_stride = Int64(width / 2 * channels)
    pass.destination_pixel_stride = Int64(channels)
    pass.height = Int32(height / 2)
    pass.width = Int32(width / 2)
    pass.channels = Int32(channels)
    kernels.averagePool(&pass)
  }

  /// Sums per channel, of the values or of their squared distances from centres.
  func sums(
    _ x: UnsafePointer<Float>, _ pixels: Int, _ channels: Int, power: Int32 = 1, center: UnsafePointer<Float>? = nil,
    into out: UnsafeMutablePointer<Float>
  ) {
    var pass = ht_channel_sums(
      source: x, row_stride: 0, pixel_stride: Int64(channels), height: 1, width: Int32(pixels),
      channels: Int32(channels), power: power, center: center, out: out)
    kernels.channelSums(&pass)
  }

  /// Room for one value per channel, for the duration of `body`.
  func withChannels(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: max(count, 1)) { body($0.baseAddress!) }
  }
}
