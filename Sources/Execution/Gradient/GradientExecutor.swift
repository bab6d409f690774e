import Graphs
import Tensors

/// With respect to what gradients are formed.
package struct GradientTargets: Sendable {
  package var parameters: Set<String>
  /// Inputs of the segment, by node. What is no tensor of values (timesteps, labels) has no gradient.
  package var inputs: Set<Int>
  /// Whether no walk backwards follows. Otherwise the quantisers at layers' inputs take their gradients.
  private(set) var isNothing = false

  package init(parameters: Set<String>, inputs: Set<Int>) {
    self.parameters = parameters
    self.inputs = inputs
  }

  /// For forward passes alone: nothing is held for a walk backwards.
  package static var nothing: GradientTargets {
    var targets = GradientTargets(parameters: [], inputs: [])
    targets.isNothing = true
    return targets
  }

  /// Every parameter that the segment reads and every input that has a gradient.
  package init(everythingIn segment: GraphSegment, of graph: Graph) {
    parameters = Set(segment.nodes.flatMap { graph.nodes[$0].op.parameters })
    inputs = Set(segment.inputs.filter { graph.nodes[$0].shape != .scalar })
  }
}

/// Evaluates a segment of a graph on a batch and walks it backwards, one vector-Jacobian product per operation. The graph
/// is the tape: results of the forward pass are held as long as the walk backwards reads them, and those that cost little
/// (normalisations, activations, quantised inputs) are made again there.
///
/// Temporal nodes are evaluated per image like all others. Values are channels-last inside (N H W C); attention's
/// probabilities are computed again, in blocks of queries, where the walk backwards needs them. One caller at a time; the work inside is divided among the pool's workers by images, taps
/// and blocks of channels, never by the number of threads, so gradients have the same bits for any number. They are
/// summed over the batch in its order. Weight gradients and attention go through BLAS, whose bits may differ between
/// machines.
package final class GradientExecutor {
  package let graph: Graph
  package let segment: GraphSegment
  /// Images the buffers hold.
  package let capacity: Int
  /// The model's, without the weights of layers that are not learned, which are packed.
  let parameters: [String: Tensor]
  let targets: GradientTargets
  let pool: WorkerPool
  let kernels: KernelTable
  /// Convolutions and linear layers by node.
  package let layers: [Int: GradientLayer]
  /// What stands at a layer's input, by node.
  let quantizers: [Int: any DifferentiableQuantizer]
  let memory: GradientMemory

  /// Images of the last forward pass.
  package internal(set) var count = 0
  /// Of the last forward pass, by node: mean and inverse deviation per image and group.
  var moments: [Int: [GroupMoments]] = [:]
  /// Gradients of the last backward pass by parameter, in the checkpoint's arrangement; those of learned layers' weights where
  /// nobody takes them.
  package internal(set) var parameterGradients: [String: [Float]] = [:]
  /// Writes the weights of learned layers and takes their gradients; nil: weights are the model's.
  package weak var learned: (any LearnedWeights)?
  /// Whether the last backward pass has written a slot's cotangent.
  var isWritten: [Bool]
  /// Whether the walk backwards has begun since the last forward pass.
  var isBack = false
  /// By slot: whether a value is where the walk backwards reads it.
  var isAtHand: [Bool] = []

  /// - Parameters: batch: images at once, at least 1; quantizers: simulated quantisation of layer inputs, by node path.
  /// - Throws: `ExecutionError.unsupported` for a convolution padded beyond its kernel's reach; `KernelError` when
  ///   memory is refused; what keeps weights that were left in their file from being read.
  package init(
    _ model: Model, segment: GraphSegment, targets: GradientTargets, batch: Int,
    quantizers: [String: any DifferentiableQuantizer] = [:], pool: WorkerPool = .shared, kernels: KernelTable = .best
  ) throws {
    graph = model.graph
    self.segment = segment
    self.targets = targets
    capacity = max(batch, 1)
    self.pool = pool
    self.kernels = kernels
    self.quantizers = segment.nodes.reduce(into: [:]) { $0[$1] = quantizers[model.graph.nodes[$1].path] }
    let slots = GradientSlots(graph, segment, targets, quantized: Set(self.quantizers.keys))
    var layers: [Int: GradientLayer] = [:]
    for index in segment.nodes {
      layers[index] = try Self.layer(graph.nodes[index], model, targets, needsInput: slots.needsInput(of: index))
    }
    self.layers = layers
    let packed = Set(layers.values.filter { !$0.isLearned }.map(\.weightName))
    parameters = model.parameters.filter { !packed.contains($0.key) }
    memory = try GradientMemory(
      slots, layers: Array(layers.values), capacity: capacity,
      attentionBlock: Self.attentionBlock(graph, segment), threads: pool.threads)
    isWritten = [Bool](repeating: false, count: slots.count)
    try packFixedLayers(of: model)
  }

  private static func layer(
    _ node: Node, _ model: Model, _ targets: GradientTargets, needsInput: Bool
  ) throws -> GradientLayer? {
    guard node.op.facts.isLayer else { return nil }
    let (geometry, weight, bias): (LayerGeometry, String, String?)
    let input = model.graph.nodes[node.inputs[0]].shape
    switch node.op {
    case .conv2d(let convolution):
      guard let found = LayerGeometry(convolution, input: input.dims, output: node.dims) else {
        throw ExecutionError.unsupported(
          site: "\(node.path):input", reason: "gradients of a convolution padded beyond its kernel's reach")
      }
      (geometry, weight, bias) = (found, convolution.weight, convolution.bias)
    case .linear(let name, let biasName):
      geometry = LayerGeometry(linear: input.channels, outputs: node.shape.channels, tokens: input.positions)
      (weight, bias) = (name, biasName)
    default: preconditionFailure("\(node.path) is no layer")
    }
    return try GradientLayer(
      geometry, weight: weight, bias: bias, parameters: model.parameters,
      needsGradient: targets.parameters.contains(weight), needsInput: needsInput)
  }

  /// Values of the largest block of probabilities among the segment's attentions.
  private static func attentionBlock(_ graph: Graph, _ segment: GraphSegment) -> Int {
    segment.nodes.lazy.compactMap { index -> Int? in
      guard let attention = graph.nodes[index].op.facts.attention,
        case .scores(_, let queries, let keys)? = graph.shape(at: attention.probabilities)
      else { return nil }
      return Attention.rowsAtOnce(queries: queries, keys: keys) * keys
    }.max() ?? 0
  }

  /// Bytes of the values and cotangents of an executor of so many images.
  package static func bytes(
    _ graph: Graph, segment: GraphSegment, targets: GradientTargets, batch: Int, quantized: Set<Int> = []
  ) -> Int {
    GradientPlaces(GradientSlots(graph, segment, targets, quantized: quantized), capacity: batch).bytes
  }

  // MARK: Values

  /// Pixels or tokens of a node's result; 1 for a vector.
  package func positions(of node: Int) -> Int { graph.nodes[node].shape.positions }

  /// Elements of a node's result for one image.
  package func elementCount(_ node: Int) -> Int { graph.nodes[node].count }

  /// The value of the segment's input, to be written before a forward pass, or of its output, to be read after it;
  /// channels-last, image after image.
  package func value(_ node: Int) -> UnsafeMutablePointer<Float> {
    let isHeld = segment.inputs.contains(node) || segment.outputs.contains(node)
    precondition(isHeld, "values inside a segment are not held")
    return value(at: memory.slots.root(node))
  }

  /// What a slot holds now.
  func value(at slot: Int) -> UnsafeMutablePointer<Float> { memory.value(slot, isBack: isBack) }

  /// The cotangent of an output, to be written before a backward pass, or of a target input, to be read after it.
  package func cotangent(_ node: Int) -> UnsafeMutablePointer<Float> { memory.cotangent(memory.slots.root(node)) }

  /// Whether anything that gradients are asked for stands before a node; without, it has no cotangent.
  package func hasCotangent(_ node: Int) -> Bool { memory.slots.needs[memory.slots.root(node)] }

  func dims(_ node: Int) -> [Int] { graph.nodes[node].dims }

  /// Runs `body` for every image of the batch.
  func forEachImage(_ body: (Int) -> Void) { pool.parallel(count, body) }

  /// The batch in parts whose images have grids of their own; all of it where a layer needs no grids.
  func parts(for geometry: LayerGeometry) -> [Range<Int>] {
    let size = geometry.isPointwise ? count : memory.gridImages
    return stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
  }

  /// Runs `body` for some images of the batch.
  func forEach(_ images: Range<Int>, _ body: (Int) -> Void) {
    pool.parallel(images.count) { body(images.lowerBound + $0) }
  }
}
