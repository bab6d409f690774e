import Graphs
import Tensors

/// Compiles one phase of a graph into a `Program`.
struct ProgramCompiler {
  let model: Model
  let table: QuantizationTable
  let arithmetic: Arithmetic
  /// Of integer weights, as the kernels read them.
  let layout: IntegerLayout

  private var fusion: FusionPlan
  private var planner = ArenaPlanner()
  private var steps: [ProgramStep] = []
  private var buffers: [Int: BufferID] = [:]
  private var absorbed: Set<Int> = []
  /// Codes, or values in bfloat16, that several layers read, by the node they are of.
  private var sharedCodes: [Int: BufferID] = [:]
  /// Where values of other phases lie that are no vectors.
  private var imports: [Int: BufferID] = [:]
  private var slots = 0
  private var widestNorm = 1

  init(model: Model, table: QuantizationTable, arithmetic: Arithmetic, layout: IntegerLayout, phase: Phase) {
    self.model = model
    self.table = table
    self.arithmetic = arithmetic
    self.layout = layout
    fusion = FusionPlan(graph: model.graph, phase: phase)
    if arithmetic == .bfloat16 {
      fusion.shareNormalizations { reader, other in
        [reader, other].allSatisfy { ContractionLayer.paysBFloat16(model.graph.parameterDims(of: $0)!) }
      }
    }
    if arithmetic == .integer {
      fusion.shareNormalizations { reader, other in
        let inputs = [reader, other].map { table.activations[Site(node: $0.path, role: .input)] }
        let weights = [reader, other].map { table.weights[$0.path] }
        return inputs[0] != nil && inputs[0] == inputs[1] && weights[0] != nil && weights[1] != nil
          && weights[0]?.inputScales == weights[1]?.inputScales
      }
    }
  }

  private var graph: Graph { model.graph }
  private var now: Int { steps.count }

  mutating func compile() throws -> Program {
    var image: BufferID?
    reserveImports()
    for node in graph.nodes where fusion.isMember[node.index] {
      if node.op.facts.isReshape || absorbed.contains(node.index) || fusion.isAbsorbed(node)
        || fusion.isVirtualConcatenation(node)
      {
        continue
      }
      if node.op.meaning == .sample { image = buffer(for: node) }
      try emit(node)
    }
    var results: [Int: BufferID] = [:]
    for node in graph.nodes where fusion.isMember[node.index] && fusion.isExternal[node.index] {
      guard let buffer = buffers[node.index] else { continue }
      results[node.index] = buffer
      planner.touch(buffer, at: now)
    }
    let norm = planner.reserve(bytes: 4 * widestNorm * 4, at: 0)
    planner.touch(norm, at: now)
    let (offsets, bytes) = planner.place()
    return Program(
      steps: steps, stretches: Stretch.divide(steps), offsets: offsets, arenaBytes: bytes, results: results,
      image: image, imports: imports,
      widestNorm: norm,
      widestNormChannels: widestNorm)
  }

  // MARK: Buffers

  /// Values that the context's phase computes lie in the arena from the start; those of the temporal block are vectors, and
  /// reach the steps as constants of the call.
  private mutating func reserveImports() {
    for node in graph.nodes where fusion.isExternal[node.index] && !fusion.isMember[node.index] {
      guard graph.phase(of: node.index) == .context,
        graph.consumers[node.index].contains(where: { fusion.isMember[$0] })
      else { continue }
      imports[node.index] = buffer(for: node)
    }
  }

  private mutating func buffer(for node: Node) -> BufferID {
    let buffer = planner.reserve(bytes: max(node.count, 1) * 4, at: now)
    buffers[node.index] = buffer
    return buffer
  }

  private mutating func reserve(bytes: Int) -> BufferID { planner.reserve(bytes: bytes, at: now) }

  /// The buffer of an operand, marked as read by the step about to be emitted.
  private mutating func read(_ node: Int) -> BufferID {
    guard let buffer = buffers[fusion.root(of: node)] else {
      preconditionFailure("\(graph.nodes[node].path) has no buffer")
    }
    planner.touch(buffer, at: now)
    return buffer
  }

  private mutating func segments(of root: Int) -> [Preparation.Segment] {
    let node = graph.nodes[root]
    if fusion.isVirtualConcatenation(node) {
      return node.inputs.flatMap { segments(of: fusion.root(of: $0)) }
    }
    return [.init(buffer: read(root), channels: node.shape.channels)]
  }

  /// What stands between the nearest written values and `root`: follows absorbed nodes back to their source.
  private mutating func chain(endingAt root: Int, including first: Bool) -> Preparation {
    var result = Preparation(segments: [], height: 0, width: 0)
    var node = graph.nodes[root]
    var mayTake = first || fusion.isAbsorbed(node)
    while mayTake {
      switch node.op {
      case .upsampleNearest: result.upsamples = true
      case .activation(let kind): result.activation = kind
      case .scaleShift: result.scaleShift = node.inputs[1]
      case .groupNorm(let scale, let shift, let groups, let epsilon):
        result.norm = .init(
          scale: model.parameters[scale]!.values, shift: model.parameters[shift]!.values, groups: groups,
          epsilon: epsilon)
        widestNorm = max(widestNorm, result.norm!.scale.count)
      case .layerNorm(let scale, let shift, let epsilon):
        result.rowFunction = .layerNorm(
          scale: model.parameters[scale]!.values, shift: model.parameters[shift]!.values, epsilon: epsilon)
      case .geglu: result.rowFunction = .geglu
      default: preconditionFailure("\(node.path) is no part of a preparation")
      }
      node = graph.nodes[fusion.root(of: node.inputs[0])]
      mayTake = fusion.isAbsorbed(node)
    }
    if result.scaleShift != nil { widestNorm = max(widestNorm, node.shape.channels) }
    (result.height, result.width, _) = node.shape.pixels
    result.segments = segments(of: node.index)
    return result
  }

  // MARK: Steps

  private mutating func emit(_ node: Node) throws {
    let pixels = node.shape.pixels
    switch node.op {
    case .input(let input):
      if input.meaning == .vector {
        steps.append(.vectorInput(input.name, into: buffer(for: node), count: node.count))
      } else if input.meaning == .context {
        imports[node.index] = buffer(for: node)
      }
    case .sinusoidalEmbedding, .fourierEmbedding, .embedding:
      steps.append(.embed(node: node.index, into: buffer(for: node)))
    case .conv2d, .linear: try emitContraction(node)
    case .attention(let attention): emitAttention(node, attention)
    case .groupNorm, .layerNorm, .activation, .geglu, .scaleShift, .upsampleNearest:
      let prepared = chain(endingAt: node.index, including: true)
      steps.append(.materialize(prepared, into: buffer(for: node)))
    case .add:
      let (a, b) = (read(node.inputs[0]), read(node.inputs[1]))
      steps.append(.add(a, b, into: buffer(for: node), count: node.count))
    case .addPerChannel:
      let x = read(node.inputs[0])
      steps.append(
        .addPerChannel(
          x, temporal: node.inputs[1], into: buffer(for: node), pixels: pixels.height * pixels.width,
          channels: pixels.channels))
    case .affine(let scale, let offset):
      let x = read(node.inputs[0])
      steps.append(.affine(x, into: buffer(for: node), count: node.count, scale: scale, offset: offset))
    case .concatenate:
      let sources = node.inputs.flatMap { segments(of: fusion.root(of: $0)) }
      steps.append(.concatenate(sources, into: buffer(for: node), pixels: pixels.height * pixels.width))
    case .averagePool:
      let x = read(node.inputs[0])
      steps.append(
        .averagePool(
          x, into: buffer(for: node), height: pixels.height, width: pixels.width, channels: pixels.channels))
    case .pool(let pooling):
      let x = read(node.inputs[0])
      let source = graph.nodes[node.inputs[0]].shape.pixels
      steps.append(
        .pool(
          x, into: buffer(for: node), pooling, height: source.height, width: source.width, channels: pixels.channels,
          rows: pixels.height, columns: pixels.width))
    case .globalAveragePool:
      let x = read(node.inputs[0])
      let source = graph.nodes[node.inputs[0]].shape.pixels
      steps.append(
        .globalAveragePool(
          x, into: buffer(for: node), height: source.height, width: source.width, channels: source.channels))
    case .toTokens, .fromTokens: break
    case .divideByTimestep:
      let x = read(node.inputs[0])
      steps.append(.divideByTimestep(x, into: buffer(for: node), count: node.count))
    }
  }

  /// The kernels read codes four at a time; the last read of a part whose channels begin between may reach so far.
  private static let codesReadAtOnce = 4

  private mutating func emitContraction(_ node: Node) throws {
    let layer = try ContractionLayer(
      node, model: model, table: table, arithmetic: arithmetic, layout: layout)
    let root = fusion.root(of: node.inputs[0])
    let preparation = chain(endingAt: root, including: false)
    let factor = preparation.upsamples ? 2 : 1
    let (height, width) = (preparation.height * factor, preparation.width * factor)
    let isInteger = layer.isInteger
    let channels = preparation.channels
    // Whole tiles: what the last ones have past the image is computed and dropped.
    let tile = layer.isWinograd ? PackedWeights.winogradTile : 1
    let out = node.shape.pixels
    var padding = layer.padding
    padding.bottom += (tile - out.height % tile) % tile
    padding.right += (tile - out.width % tile) % tile
    let halo = Halo(
      height: height + padding.top + padding.bottom, width: width + padding.left + padding.right, padding: padding,
      pixelStride: isInteger ? PackedWeights.paddedInputChannels(channels) : channels)
    let readsSource =
      layer.inputQuantizers == nil && !layer.isBFloat16 && preparation.isIdentity && preparation.segments.count == 1
      && halo.isBare
    let written = sharedCodes[root]
    let scratch =
      readsSource
      ? nil
      : written
        ?? reserve(bytes: halo.count * layer.parts[0].weights.format.inputSize + (isInteger ? Self.codesReadAtOnce : 0))
    if let written { planner.touch(written, at: now) }
    if fusion.isShared[root] { sharedCodes[root] = scratch }

    var last = node
    let epilogue =
      layer.outputQuantizers == nil ? fuseEpilogue(of: node, last: &last) : (temporalBias: nil, residual: nil)
    let spatial = node.shape.image != nil ? (out.height, out.width) : (height, width)
    let residual = epilogue.residual.map { read($0) }
    let winograd =
      layer.isWinograd ? winogradTiles(out.height, out.width, inputs: channels, outputs: out.channels) : nil
    steps.append(
      .contraction(
        Contraction(
          path: node.path, parts: layer.parts, bias: layer.bias,
          temporalBias: epilogue.temporalBias, preparation: preparation, halo: halo, scratch: scratch,
          isPrepared: written != nil,
          tapOffsets: halo.tapOffsets(layer.kernel), winograd: winograd, stride: layer.stride, residual: residual,
          output: buffer(for: last),
          outputHeight: spatial.0, outputWidth: spatial.1, outputChannels: out.channels, slot: slots,
          inputQuantizers: layer.inputQuantizers, inputScales: layer.inputScales,
          inputFactors: layer.inputScales?.map { 1 / $0 },
          outputQuantizers: layer.outputQuantizers, inputShape: graph.nodes[node.inputs[0]].shape)))
    slots += 1
  }

  private mutating func winogradTiles(_ height: Int, _ width: Int, inputs: Int, outputs: Int) -> WinogradTiles {
    let side = PackedWeights.winogradTile
    let (rows, columns) = ((height + side - 1) / side, (width + side - 1) / side)
    let planes = [inputs, outputs].map { rows * columns * $0 + 16 }
    return WinogradTiles(
      rows: rows, columns: columns, input: reserve(bytes: PackedWeights.winogradProducts * planes[0] * 4),
      products: reserve(bytes: PackedWeights.winogradProducts * planes[1] * 4), inputPlane: planes[0],
      productPlane: planes[1])
  }

  /// Adds that the contraction can do while it stores: a temporal feature per channel, then one residual whose value
  /// exists already. `last` becomes the node whose value is stored.
  private mutating func fuseEpilogue(of node: Node, last: inout Node) -> (temporalBias: Int?, residual: Int?) {
    var temporal: Int?
    while let reader = fusion.soleReader(of: last.index), fusion.isMember[reader.index] {
      if case .addPerChannel = reader.op, temporal == nil, fusion.root(of: reader.inputs[0]) == last.index,
        graph.isTemporal[reader.inputs[1]] && !graph.isTemporal[node.index]
      {
        temporal = reader.inputs[1]
        absorbed.insert(reader.index)
        last = reader
      } else if case .add = reader.op {
        let operands = reader.inputs.map { fusion.root(of: $0) }
        guard let other = operands.first(where: { $0 != last.index }), buffers[other] != nil else { break }
        absorbed.insert(reader.index)
        last = reader
        return (temporal, other)
      } else {
        break
      }
    }
    return (temporal, nil)
  }

  // MARK: Attention

  private mutating func emitAttention(_ node: Node, _ attention: Attention) {
    let shapes = node.inputs.map { graph.nodes[$0].shape }
    let operands = node.inputs.map { read($0) }
    let (queries, keys, heads) = (shapes[0].positions, shapes[1].positions, attention.heads)
    let rows = Attention.rowsAtOnce(queries: heads * queries, keys: keys)
    let scores = product(
      attention.queries, attention.keys, heads: heads, left: shapes[0].count, right: shapes[1].count, outputs: keys,
      inputs: shapes[0].channels / heads, scale: attention.scale, copiesLeft: true)
    let values = product(
      attention.probabilities, attention.valueOperand, heads: heads,
      left: rows * PackedWeights.paddedInputChannels(keys), right: shapes[2].count,
      outputs: shapes[2].channels / heads, inputs: keys, scale: 1, copiesLeft: false)
    let probabilities = reserve(bytes: rows * keys * 4)
    let step = AttentionStep(
      heads: heads, shapes: shapes, rowsAtOnce: rows, queries: operands[0], keys: operands[1], values: operands[2],
      output: buffer(for: node), probabilities: probabilities, scores: scores, mixing: values)
    steps.append(.attention(step))
  }

  /// - Parameters: left, right: elements of the operands' copies, of all heads; outputs, inputs: of one head's product;
  ///   copiesLeft: whether others read the left operand, which is therefore not simulated where it lies.
  private mutating func product(
    _ leftSite: Site, _ rightSite: Site, heads: Int, left: Int, right: Int, outputs: Int, inputs: Int, scale: Float,
    copiesLeft: Bool
  ) -> AttentionProduct {
    let quantizers = [leftSite, rightSite].map { table.activations[$0] }
    let onCodes = arithmetic == .integer && CodeProduct.allows(quantizers, products: inputs)
    let codes =
      onCodes
      ? CodeProduct(
        left: reserve(bytes: left + Self.codesReadAtOnce), right: reserve(bytes: right),
        constants: reserve(bytes: CodeProduct.constantBytes(outputs: outputs, heads: heads))) : nil
    let packed = AttentionProduct.packedBytes(outputs: outputs, inputs: inputs, isInteger: onCodes)
    return AttentionProduct(
      leftSite: leftSite, rightSite: rightSite, inputs: inputs, outputs: outputs, scale: scale,
      packed: reserve(bytes: heads * packed), leftQuantizers: quantizers[0], rightQuantizers: quantizers[1],
      leftScratch: copiesLeft && quantizers[0] != nil && !onCodes ? reserve(bytes: left * 4) : nil,
      rightScratch: quantizers[1] == nil || onCodes ? nil : reserve(bytes: right * 4), codes: codes)
  }
}
