import CKernels
import Graphs
import Tensors

extension GradientExecutor {
  /// Walks back from the outputs' cotangents, which the caller has written, to the targets.
  ///
  /// Afterwards the inputs' cotangents and all gradients are those of sum(output * cotangent), over the images of the
  /// last forward pass.
  package func backward() {
    let slots = memory.slots
    isBack = true
    isAtHand = memory.isMadeAgain.map { !$0 }
    for slot in isWritten.indices { isWritten[slot] = false }
    for index in segment.outputs { isWritten[slots.root(index)] = true }
    parameterGradients = [:]
    for index in segment.nodes.reversed() where slots.root(index) == index && slots.needs[index] {
      let node = graph.nodes[index]
      if isWritten[index] {
        for slot in slots.readBack(by: index) { makeAgain(slot) }
        backward(node)
      } else {
        clearGradients(of: node)
      }
    }
    // A target that nothing depends on.
    for index in segment.inputs where targets.inputs.contains(index) && !isWritten[slots.root(index)] {
      cotangent(index).update(repeating: 0, count: count * elementCount(index))
    }
  }

  /// Computes a value that the way back reads, and what it is made of, unless it is at hand.
  private func makeAgain(_ slot: Int) {
    if isAtHand[slot] { return }
    isAtHand[slot] = true
    for source in memory.slots.sources(of: slot) { makeAgain(source) }
    if let layer = memory.slots.layer(at: slot) {
      forEachImage { quantizeInput(graph.nodes[layer], $0) }
    } else {
      forward(graph.nodes[slot])
    }
  }

  /// Where a contribution to a slot's cotangent goes, and whether it is added to what is there; nil when nobody asks.
  func contribution(to slot: Int) -> (base: UnsafeMutablePointer<Float>, accumulate: Bool)? {
    guard memory.slots.needs[slot] else { return nil }
    defer { isWritten[slot] = true }
    return (memory.cotangent(slot), isWritten[slot])
  }

  /// The same for an operand.
  func contribution(_ node: Node, _ position: Int = 0) -> (base: UnsafeMutablePointer<Float>, accumulate: Bool)? {
    contribution(to: memory.slots.root(node.inputs[position]))
  }

  func cotangent(_ node: Node, _ image: Int) -> UnsafeMutablePointer<Float> {
    memory.cotangent(node.index) + image * node.count
  }

  /// The gradient of a parameter whose contributions of the images lie one after another, added up in their order.
  func setGradient(_ name: String, count size: Int, _ perImage: [Float]) {
    var sums = [Double](repeating: 0, count: size)
    for image in 0..<count { for i in 0..<size { sums[i] += Double(perImage[image * size + i]) } }
    parameterGradients[name] = sums.map { Float($0) }
  }

  /// Gradients of a node that no output depends on.
  private func clearGradients(of node: Node) {
    if let layer = layers[node.index], layer.isLearned {
      memory.layerGradient.update(repeating: 0, count: layer.count)
      deliverGradient(of: layer, node)
    }
    for name in node.op.parameters where targets.parameters.contains(name) && name != layers[node.index]?.weightName {
      parameterGradients[name] = [Float](repeating: 0, count: parameters[name]?.count ?? 0)
    }
  }

  private func backward(_ node: Node) {
    switch node.op {
    case .input, .toTokens, .fromTokens: break
    // Their operand is a number of no gradient.
    case .sinusoidalEmbedding: break
    case .fourierEmbedding(let weight, let flip): fourierGradient(node, weight, flipSinToCos: flip)
    case .embedding(let table): tableGradient(node, table)
    case .conv2d, .linear: contractGradient(node)
    case .attention(let attention): attentionGradient(node, attention)
    case .groupNorm(let scale, let shift, let groups, _):
      normalizeGradient(node, scale: scale, shift: shift, groups: groups)
    case .layerNorm(let scale, let shift, let epsilon):
      normalizeRowsGradient(node, scale: scale, shift: shift, epsilon: epsilon)
    case .geglu:
      contribute(node) { dx, accumulate, image in
        var pass = ht_geglu_gradient(
          x: UnsafePointer(operand(node, image)), dy: UnsafePointer(cotangent(node, image)), dx: dx,
          rows: Int32(pixels(node)), channels: Int32(channels(node)), accumulate: accumulate ? 1 : 0)
        kernels.gegluGradient(&pass)
      }
    case .activation(let activation):
      contribute(node) { dx, accumulate, image in
        var pass = ht_activation_gradient(
          x: operand(node, image), dy: cotangent(node, image), dx: dx, count: Int64(node.count),
          activation: activation.kernelCode, accumulate: accumulate ? 1 : 0)
        kernels.activationGradient(&pass)
      }
    case .add:
      for position in 0..<2 {
        contribute(node, position) { dx, accumulate, image in
          pass(cotangent(node, image), 1, to: dx, node.count, accumulate)
        }
      }
    case .addPerChannel:
      contribute(node) { dx, accumulate, image in pass(cotangent(node, image), 1, to: dx, node.count, accumulate) }
      contribute(node, 1) { dv, accumulate, image in
        withChannels(channels(node)) { sum in
          sums(cotangent(node, image), pixels(node), channels(node), into: sum)
          pass(sum, 1, to: dv, channels(node), accumulate)
        }
      }
    case .scaleShift: scaleShiftGradient(node)
    case .affine(let scale, _):
      contribute(node) { dx, accumulate, image in pass(cotangent(node, image), scale, to: dx, node.count, accumulate) }
    case .divideByTimestep:
      contribute(node) { dx, accumulate, image in
        pass(cotangent(node, image), 1 / operand(node, 1, image)[0], to: dx, node.count, accumulate)
      }
    case .concatenate: concatenateGradient(node)
    case .upsampleNearest:
      contribute(node) { dx, accumulate, image in
        // The sum over each 2x2 block is four times its mean.
        let means = memory.scratch(image: image)
        pool(cotangent(node, image), node.dims, into: means)
        pass(means, 4, to: dx, elementCount(node.inputs[0]), accumulate)
      }
    case .averagePool: averagePoolGradient(node)
    case .pool(let pooling): poolGradient(node, pooling)
    case .globalAveragePool:
      contribute(node) { dx, accumulate, image in
        let pixels = elementCount(node.inputs[0]) / node.count
        for pixel in 0..<pixels {
          pass(cotangent(node, image), 1 / Float(pixels), to: dx + pixel * node.count, node.count, accumulate)
        }
      }
    }
  }

  /// Runs `body` for every image with the operand's cotangent; not at all when nobody asks for it.
  private func contribute(
    _ node: Node, _ position: Int = 0, _ body: (UnsafeMutablePointer<Float>, _ accumulate: Bool, _ image: Int) -> Void
  ) {
    guard let (base, accumulate) = contribution(node, position) else { return }
    let size = elementCount(node.inputs[position])
    forEachImage { body(base + $0 * size, accumulate, $0) }
  }

  /// dx = scale dy, or dx += scale dy.
  func pass(
    _ dy: UnsafePointer<Float>, _ scale: Float, to dx: UnsafeMutablePointer<Float>, _ count: Int, _ accumulate: Bool
  ) {
    if accumulate { kernels.addScaled(dy, scale, dx, count) } else { kernels.affine(dy, scale, 0, dx, count) }
  }

  private func scaleShiftGradient(_ node: Node) {
    let (channels, pixels) = (channels(node), pixels(node))
    contribute(node) { dx, accumulate, image in
      let factors = operand(node, 1, image)
      withChannels(channels) { scale in
        for c in 0..<channels { scale[c] = 1 + factors[c] }
        var blend = ht_channel_blend()
        blend.dy = UnsafePointer(cotangent(node, image))
        blend.dy_scale = UnsafePointer(scale)
        blend.out = dx
        blend.pixels = Int32(pixels)
        blend.channels = Int32(channels)
        blend.accumulate = accumulate ? 1 : 0
        kernels.channelBlend(&blend)
      }
    }
    contribute(node, 1) { dv, accumulate, image in
      withChannels(3 * channels) { room in
        room.update(repeating: 0, count: channels)
        var products = ht_channel_products(
          dy: cotangent(node, image), x: operand(node, image), center: room, sums: room + 2 * channels,
          products: room + channels, pixels: Int32(pixels), channels: Int32(channels))
        kernels.channelProducts(&products)
        pass(room + channels, 1, to: dv, 2 * channels, accumulate)
      }
    }
  }

  private func concatenateGradient(_ node: Node) {
    let total = channels(node)
    var first = 0
    for position in 0..<2 {
      let own = channelCount(node.inputs[position])
      let start = first
      contribute(node, position) { dx, accumulate, image in
        let dy = cotangent(node, image) + start
        for pixel in 0..<pixels(node) {
          let (target, source) = (dx + pixel * own, dy + pixel * total)
          if accumulate { kernels.add(target, source, target, own) } else { target.update(from: source, count: own) }
        }
      }
      first += own
    }
  }

  private func averagePoolGradient(_ node: Node) {
    let source = dims(node.inputs[0])
    contribute(node) { dx, accumulate, image in
      withChannels(source[0]) { quarter in
        quarter.update(repeating: 0.25, count: source[0])
        let spread = accumulate ? memory.scratch(image: image) : dx
        // An odd last line or column is in no block.
        if source[1] % 2 + source[2] % 2 > 0 { spread.update(repeating: 0, count: source.reduce(1, *)) }
        resample(cotangent(node, image), node.dims, into: spread, outWidth: source[2], factors: quarter)
        if accumulate { kernels.add(dx, spread, dx, source.reduce(1, *)) }
      }
    }
  }

  /// A mean hands each pixel of its window an equal share; the largest value's cotangent goes to the first pixel that has
  /// it, in row order.
  private func poolGradient(_ node: Node, _ pooling: Pooling) {
    let (source, channels) = (dims(node.inputs[0]), channels(node))
    contribute(node) { dx, accumulate, image in
      if !accumulate { dx.update(repeating: 0, count: source.reduce(1, *)) }
      let (x, y, dy) = (operand(node, image), result(node, image), cotangent(node, image))
      for row in 0..<node.dims[1] {
        let rows = ProgramRunner.inside(row, pooling, source[1])
        for column in 0..<node.dims[2] {
          let columns = ProgramRunner.inside(column, pooling, source[2])
          let place = (row * node.dims[2] + column) * channels
          let pixels = rows.flatMap { row in columns.map { (row * source[2] + $0) * channels } }
          switch pooling.kind {
          case .mean:
            for pixel in pixels { kernels.addScaled(dy + place, 1 / Float(pixels.count), dx + pixel, channels) }
          case .maximum:
            for c in 0..<channels {
              guard let winner = pixels.first(where: { x[$0 + c] == y[place + c] }) else { continue }
              dx[winner + c] += dy[place + c]
            }
          }
        }
      }
    }
  }
}
