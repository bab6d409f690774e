import Graphs
import Tensors

/// Which values a gradient executor keeps, which of them need cotangents, and when.
///
/// A slot is a node's result, or the quantised input of a layer (after the nodes' slots). Reshapes between images and
/// tokens are free in channels-last order: a value and its reshapes share the slot of their root.
struct GradientSlots {
  let graph: Graph
  let segment: GraphSegment
  /// By slot: elements per image; 0 where nothing is kept.
  private(set) var sizes: [Int]
  /// By slot: whether its cotangent is formed.
  private(set) var needs: [Bool]
  private let roots: [Int]
  private let siteSlots: [Int: Int]
  private let targets: GradientTargets

  var count: Int { sizes.count }

  /// - Parameter quantized: layers whose input passes through a quantiser.
  init(_ graph: Graph, _ segment: GraphSegment, _ targets: GradientTargets, quantized: Set<Int>) {
    self.graph = graph
    self.segment = segment
    self.targets = targets
    let isInside = segment.nodes.reduce(into: [Bool](repeating: false, count: graph.nodes.count)) { $0[$1] = true }
    var roots = Array(graph.nodes.indices)
    for index in segment.nodes where graph.nodes[index].op.facts.isReshape && isInside[index] {
      roots[index] = roots[graph.nodes[index].inputs[0]]
    }
    self.roots = roots
    let layers = quantized.sorted()
    siteSlots = Dictionary(uniqueKeysWithValues: layers.enumerated().map { ($1, graph.nodes.count + $0) })
    sizes = [Int](repeating: 0, count: graph.nodes.count + layers.count)
    needs = [Bool](repeating: false, count: sizes.count)
    for index in segment.inputs + segment.nodes where roots[index] == index { sizes[index] = graph.nodes[index].count }
    for (layer, slot) in siteSlots { sizes[slot] = graph.nodes[graph.nodes[layer].inputs[0]].count }
    for index in segment.inputs { needs[index] = targets.inputs.contains(index) }
    for index in segment.nodes {
      let node = graph.nodes[index]
      if let slot = siteSlots[index] { needs[slot] = true }
      needs[index] =
        siteSlots[index] != nil || node.op.parameters.contains { targets.parameters.contains($0) }
        || node.inputs.contains { needs[$0] }
    }
  }

  func root(_ node: Int) -> Int { roots[node] }
  /// Where a layer's quantised input is kept; nil where the layer reads its operand.
  func site(of layer: Int) -> Int? { siteSlots[layer] }

  /// Whether a layer's backward pass must go on to its input.
  func needsInput(of layer: Int) -> Bool {
    siteSlots[layer] != nil || (graph.nodes[layer].inputs.first.map { needs[roots[$0]] } ?? false)
  }

  /// Byte offsets of the values, by slot, and their sum.
  func valueOffsets(capacity: Int) -> (offsets: [Int], bytes: Int) {
    var bytes = 0
    let offsets = sizes.map { size in
      defer { bytes += (4 * size * capacity + 63) & ~63 }
      return bytes
    }
    return (offsets, bytes)
  }

  /// Byte offsets of the cotangents, by slot, in memory that is used again once a cotangent has been passed on.
  func cotangentOffsets(capacity: Int) -> (offsets: [Int], bytes: Int) {
    let last = segment.nodes.count + 1
    // The walk backwards: step 0 is the caller's, then the nodes from the last to the first.
    let step = segment.nodes.enumerated().reduce(into: [Int: Int]()) { $0[$1.element] = last - 1 - $1.offset }
    var planner = ArenaPlanner()
    var buffers: [Int: BufferID] = [:]
    func touch(_ slot: Int, at time: Int) {
      guard needs[slot], sizes[slot] > 0 else { return }
      if let buffer = buffers[slot] { return planner.touch(buffer, at: time) }
      buffers[slot] = planner.reserve(bytes: 4 * sizes[slot] * capacity, at: time)
    }
    for index in segment.outputs { touch(roots[index], at: 0) }
    for index in segment.nodes.reversed() {
      guard let time = step[index] else { continue }
      touch(roots[index], at: time)
      if let slot = siteSlots[index] { touch(slot, at: time) }
      for input in graph.nodes[index].inputs { touch(roots[input], at: time) }
    }
    for index in segment.inputs where targets.inputs.contains(index) { touch(roots[index], at: last) }
    let (places, bytes) = planner.place()
    return ((0..<count).map { slot in buffers[slot].map { places[$0.index] } ?? -1 }, bytes)
  }

  func bytes(capacity: Int) -> Int {
    valueOffsets(capacity: capacity).bytes + cotangentOffsets(capacity: capacity).bytes
  }
}

/// The memory of a gradient executor: values, cotangents, the grids that convolutions read, and what learned layers share.
struct GradientMemory {
  let slots: GradientSlots
  private let values: AlignedBuffer
  private let valueOffsets: [Int]
  private let cotangents: AlignedBuffer
  private let cotangentOffsets: [Int]
  private let inputGrids: AlignedBuffer
  private let cotangentGrids: AlignedBuffer
  private let scratch: AlignedBuffer
  private let scratchCount: Int
  private let probabilities: AlignedBuffer
  private let blockCount: Int
  private let weight: AlignedBuffer
  private let packedWeight: AlignedBuffer
  private let weightGradient: AlignedBuffer

  /// - Parameter attentionBlock: values of the largest block of attention's probabilities.
  init(
    _ slots: GradientSlots, layers: [GradientLayer], capacity: Int, attentionBlock: Int
  ) throws(KernelError) {
    self.slots = slots
    let valueBytes: Int
    let cotangentBytes: Int
    (valueOffsets, valueBytes) = slots.valueOffsets(capacity: capacity)
    (cotangentOffsets, cotangentBytes) = slots.cotangentOffsets(capacity: capacity)
    values = try AlignedBuffer(byteCount: valueBytes)
    cotangents = try AlignedBuffer(byteCount: cotangentBytes)
    let spread = layers.filter { !$0.geometry.isPointwise }.map(\.geometry)
    inputGrids = try AlignedBuffer(byteCount: 4 * capacity * (spread.map(\.inputGridCount).max() ?? 0))
    cotangentGrids = try AlignedBuffer(byteCount: 4 * capacity * (spread.map(\.cotangentGridCount).max() ?? 0))
    scratchCount = slots.sizes.max() ?? 0
    scratch = try AlignedBuffer(byteCount: 4 * capacity * scratchCount)
    blockCount = attentionBlock
    probabilities = try AlignedBuffer(byteCount: 4 * 2 * capacity * attentionBlock)
    let learned = layers.filter(\.isLearned)
    func largest(_ layers: [GradientLayer], _ count: (GradientLayer) -> Int) -> Int {
      4 * (layers.map(count).max() ?? 0)
    }
    weight = try AlignedBuffer(byteCount: largest(layers, \.count))
    packedWeight = try AlignedBuffer(
      byteCount: largest(learned) { max($0.packedCount(.forward), $0.packedCount(.backward)) })
    weightGradient = try AlignedBuffer(byteCount: largest(learned, \.count))
  }

  func value(_ slot: Int) -> UnsafeMutablePointer<Float> { values.pointer(at: valueOffsets[slot]) }
  func cotangent(_ slot: Int) -> UnsafeMutablePointer<Float> {
    precondition(cotangentOffsets[slot] >= 0, "no cotangent was asked for")
    return cotangents.pointer(at: cotangentOffsets[slot])
  }
  func inputGrid(_ geometry: LayerGeometry, image: Int) -> UnsafeMutablePointer<Float> {
    inputGrids.pointer(at: 4 * image * geometry.inputGridCount)
  }
  func cotangentGrid(_ geometry: LayerGeometry, image: Int) -> UnsafeMutablePointer<Float> {
    cotangentGrids.pointer(at: 4 * image * geometry.cotangentGridCount)
  }
  /// The weight of one layer at a time, the packed weight and the gradient of one learned layer at a time.
  var layerWeight: UnsafeMutablePointer<Float> { weight.pointer() }
  var packedLayer: UnsafeMutablePointer<Float> { packedWeight.pointer() }
  var layerGradient: UnsafeMutablePointer<Float> { weightGradient.pointer() }

  /// As many elements as the largest value has, for each image.
  func scratch(image: Int) -> UnsafeMutablePointer<Float> { scratch.pointer(at: 4 * image * scratchCount) }
  /// A block of probabilities and one of their cotangents, for each image.
  func probabilityBlock(image: Int) -> (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) {
    let first: UnsafeMutablePointer<Float> = probabilities.pointer(at: 4 * 2 * image * blockCount)
    return (first, first + blockCount)
  }
}
