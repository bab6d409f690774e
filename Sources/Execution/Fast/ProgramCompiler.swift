import Graphs
import Tensors

/// Compiles a graph's temporal block, or the rest of it, into a `Program`.
struct ProgramCompiler {
  let model: Model
  let table: QuantizationTable
  let arithmetic: ArithmeticChoice

  private var fusion: FusionPlan
  private var planner = ArenaPlanner()
  private var steps: [ProgramStep] = []
  private var buffers: [Int: BufferID] = [:]
  private var absorbed: Set<Int> = []
  /// Codes that several layers read, by the node they are of.
  private var sharedCodes: [Int: BufferID] = [:]
  private var slots = 0
  private var widestNorm = 1

  init(model: Model, table: QuantizationTable, arithmetic: ArithmeticChoice, temporal: Bool) {
    self.model = model
    self.table = table
    self.arithmetic = arithmetic
    fusion = FusionPlan(graph: model.graph, temporal: temporal)
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
    for node in graph.nodes where fusion.isMember[node.index] {
      if FusionPlan.isReshape(node.op) || absorbed.contains(node.index) || fusion.isAbsorbed(node)
        || fusion.isVirtualConcatenation(node)
      {
        continue
      }
      if node.op == .image { image = buffer(for: node) }
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
      steps: steps, offsets: offsets, arenaBytes: bytes, results: results, image: image, widestNorm: norm,
      widestNormChannels: widestNorm)
  }

  // MARK: Buffers

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
    return [.init(buffer: read(root), channels: FusionPlan.pixels(node.dims).channels)]
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
      default: preconditionFailure("\(node.path) is no part of a preparation")
      }
      node = graph.nodes[fusion.root(of: node.inputs[0])]
      mayTake = fusion.isAbsorbed(node)
    }
    if result.scaleShift != nil { widestNorm = max(widestNorm, FusionPlan.pixels(node.dims).channels) }
    (result.height, result.width, _) = FusionPlan.pixels(node.dims)
    result.segments = segments(of: node.index)
    return result
  }

  // MARK: Steps

  private mutating func emit(_ node: Node) throws {
    let pixels = FusionPlan.pixels(node.dims)
    switch node.op {
    case .image: break
    case .timestep, .label: break
    case .sinusoidalEmbedding, .fourierEmbedding, .embedding:
      steps.append(.embed(node: node.index, into: buffer(for: node)))
    case .conv2d, .linear: try emitContraction(node)
    case .attentionScores(_, let scale): emitProduct(node, scale: scale)
    case .attentionValues: emitProduct(node, scale: 1)
    case .groupNorm, .activation, .scaleShift, .upsampleNearest:
      let prepared = chain(endingAt: node.index, including: true)
      steps.append(.materialize(prepared, into: buffer(for: node)))
    case .softmax:
      let columns = node.dims.last ?? 1
      let source = fusion.root(of: node.inputs[0])
      let input = read(source)
      let target: BufferID
      if fusion.soleReader(of: source)?.index == node.index {
        target = input
        buffers[node.index] = input
      } else {
        target = buffer(for: node)
        steps.append(.copy(input, into: target, count: node.count))
        planner.touch(target, at: now)
      }
      steps.append(.softmax(target, rows: node.count / max(columns, 1), columns: columns))
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
      let source = FusionPlan.pixels(graph.nodes[node.inputs[0]].dims)
      steps.append(
        .pool(
          x, into: buffer(for: node), pooling, height: source.height, width: source.width, channels: pixels.channels,
          rows: pixels.height, columns: pixels.width))
    case .globalAveragePool:
      let x = read(node.inputs[0])
      let source = FusionPlan.pixels(graph.nodes[node.inputs[0]].dims)
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
    let layer = try ContractionLayer(node, model: model, table: table, arithmetic: arithmetic)
    let root = fusion.root(of: node.inputs[0])
    let preparation = chain(endingAt: root, including: false)
    let factor = preparation.upsamples ? 2 : 1
    let (height, width) = (preparation.height * factor, preparation.width * factor)
    let isInteger = layer.arithmetic == .integer
    let channels = preparation.channels
    // Whole tiles: what the last ones have past the image is computed and dropped.
    let tile = layer.isWinograd ? PackedWeights.winogradTile : 1
    let out = FusionPlan.pixels(node.dims)
    var padding = layer.padding
    padding.bottom += (tile - out.height % tile) % tile
    padding.right += (tile - out.width % tile) % tile
    let halo = Halo(
      height: height + padding.top + padding.bottom, width: width + padding.left + padding.right, padding: padding,
      pixelStride: isInteger ? PackedWeights.paddedInputChannels(channels) : channels)
    let readsSource =
      layer.arithmetic == .float && preparation.isIdentity && preparation.segments.count == 1 && halo.isBare
    let written = sharedCodes[root]
    let scratch =
      readsSource ? nil : written ?? reserve(bytes: isInteger ? halo.count + Self.codesReadAtOnce : halo.count * 4)
    if let written { planner.touch(written, at: now) }
    if fusion.isShared[root] { sharedCodes[root] = scratch }

    var last = node
    let epilogue =
      layer.outputQuantizers == nil ? fuseEpilogue(of: node, last: &last) : (temporalBias: nil, residual: nil)
    let spatial = node.dims.count == 3 ? (out.height, out.width) : (height, width)
    let residual = epilogue.residual.map { read($0) }
    let winograd =
      layer.isWinograd ? winogradTiles(out.height, out.width, inputs: channels, outputs: out.channels) : nil
    steps.append(
      .contraction(
        Contraction(
          path: node.path, arithmetic: layer.arithmetic, parts: layer.parts, bias: layer.bias,
          temporalBias: epilogue.temporalBias, preparation: preparation, halo: halo, scratch: scratch,
          isPrepared: written != nil,
          tapOffsets: halo.tapOffsets(layer.kernel), winograd: winograd, stride: layer.stride, residual: residual,
          output: buffer(for: last),
          outputHeight: spatial.0, outputWidth: spatial.1, outputChannels: out.channels, slot: slots,
          inputQuantizers: layer.inputQuantizers, inputScales: layer.inputScales,
          inputFactors: layer.inputScales?.map { 1 / $0 },
          outputQuantizers: layer.outputQuantizers, inputDims: graph.nodes[node.inputs[0]].dims)))
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

  private mutating func emitProduct(_ node: Node, scale: Float) {
    let heads: Int
    switch node.op {
    case .attentionScores(let h, _), .attentionValues(let h): heads = h
    default: preconditionFailure("\(node.path) is no attention product")
    }
    let (leftNode, rightNode) = (graph.nodes[node.inputs[0]], graph.nodes[node.inputs[1]])
    let tokens = rightNode.dims[0]
    let width = rightNode.dims[1] / heads
    let quantizers = (0...1).map { table.activations[Site(node: node.path, role: .operand($0))] }
    let left = read(node.inputs[0])
    let right = read(node.inputs[1])
    let isScores = if case .attentionScores = node.op { true } else { false }
    let packedColumns = isScores ? tokens : width
    let packedRows = isScores ? width : tokens
    let rows = isScores ? leftNode.dims[0] : node.dims[0]
    let codes =
      arithmetic == .integer && CodeProduct.allows(quantizers, products: packedRows)
      ? codeProduct(
        leftCodes: isScores ? leftNode.count : heads * rows * PackedWeights.paddedInputChannels(tokens),
        rightCodes: rightNode.count, outputs: packedColumns) : nil
    let packedBytes =
      codes == nil
      ? PackedWeights.packedMatrixByteCount(outputs: packedColumns, inputs: packedRows)
      : PackedWeights.packedCodesByteCount(outputs: packedColumns, inputs: packedRows)
    let product = AttentionProduct(
      path: node.path, heads: heads, rows: rows, columns: tokens,
      headWidth: width, scale: scale, left: left, right: right, output: buffer(for: node),
      packed: reserve(bytes: packedBytes),
      leftScratch: quantizers[0] == nil || codes != nil ? nil : reserve(bytes: leftNode.count * 4),
      rightScratch: quantizers[1] == nil || codes != nil ? nil : reserve(bytes: rightNode.count * 4),
      leftQuantizers: quantizers[0], rightQuantizers: quantizers[1], codes: codes, leftDims: leftNode.dims,
      rightDims: rightNode.dims)
    steps.append(isScores ? .scores(product) : .values(product))
  }

  private mutating func codeProduct(leftCodes: Int, rightCodes: Int, outputs: Int) -> CodeProduct {
    CodeProduct(
      left: reserve(bytes: leftCodes + Self.codesReadAtOnce), right: reserve(bytes: rightCodes),
      constants: reserve(bytes: 3 * 4 * PackedWeights.blocks(outputs) * PackedWeights.blockWidth))
  }
}
