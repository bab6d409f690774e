import Graphs
import Tensors

/// Which values a gradient executor holds, which of them need cotangents, and which are made again on the way back.
///
/// A slot is a node's result, or the quantised input of a layer (after the nodes' slots). Reshapes between images and
/// tokens are free in channels-last order: a value and its reshapes share the slot of their root.
struct GradientSlots {
  let graph: Graph
  let segment: GraphSegment
  /// By slot: elements per image; 0 where nothing is held.
  private(set) var sizes: [Int]
  /// By slot: whether its cotangent is formed.
  private(set) var needs: [Bool]
  private let roots: [Int]
  /// By node: whether the segment evaluates it.
  private let isInside: [Bool]
  private let siteSlots: [Int: Int]
  /// The layers whose quantised inputs follow the nodes' slots, in the slots' order.
  private let quantizedLayers: [Int]
  let targets: GradientTargets

  var count: Int { sizes.count }

  /// - Parameter quantized: layers whose input passes through a quantiser.
  init(_ graph: Graph, _ segment: GraphSegment, _ targets: GradientTargets, quantized: Set<Int>) {
    self.graph = graph
    self.segment = segment
    self.targets = targets
    isInside = segment.nodes.reduce(into: [Bool](repeating: false, count: graph.nodes.count)) { $0[$1] = true }
    var roots = Array(graph.nodes.indices)
    for index in segment.nodes where graph.nodes[index].op.facts.isReshape && isInside[index] {
      roots[index] = roots[graph.nodes[index].inputs[0]]
    }
    self.roots = roots
    let layers = quantized.sorted()
    quantizedLayers = layers
    siteSlots = Dictionary(uniqueKeysWithValues: layers.enumerated().map { ($1, graph.nodes.count + $0) })
    sizes = [Int](repeating: 0, count: graph.nodes.count + layers.count)
    needs = [Bool](repeating: false, count: sizes.count)
    for index in segment.inputs + segment.nodes where roots[index] == index { sizes[index] = graph.nodes[index].count }
    for (layer, slot) in siteSlots { sizes[slot] = graph.nodes[graph.nodes[layer].inputs[0]].count }
    for index in segment.inputs { needs[index] = targets.inputs.contains(index) }
    for index in segment.nodes {
      let node = graph.nodes[index]
      let hasSite = siteSlots[index] != nil && !targets.isNothing
      if let slot = siteSlots[index] { needs[slot] = hasSite }
      needs[index] =
        hasSite || node.op.parameters.contains { targets.parameters.contains($0) }
        || node.inputs.contains { needs[$0] }
    }
  }

  func root(_ node: Int) -> Int { roots[node] }
  /// The slot of a layer's quantised input; nil where the layer reads its operand.
  func site(of layer: Int) -> Int? { siteSlots[layer] }

  /// Whether a layer's backward pass must go on to its input.
  func needsInput(of layer: Int) -> Bool {
    site(of: layer).map { needs[$0] } ?? false || (graph.nodes[layer].inputs.first.map { needs[roots[$0]] } ?? false)
  }

  /// The layer whose quantised input a slot holds; nil for a node's result.
  func layer(at slot: Int) -> Int? { slot < graph.nodes.count ? nil : quantizedLayers[slot - graph.nodes.count] }

  /// Elements that the walk back needs for one image's cotangents on their way into an operand's.
  var scratchCount: Int {
    segment.nodes.lazy.map { index -> Int in
      let node = graph.nodes[index]
      return switch node.op {
      case .upsampleNearest, .averagePool: graph.nodes[node.inputs[0]].count
      case .conv2d, .linear: needs[roots[node.inputs[0]]] ? 0 : siteSlots[index].map { sizes[$0] } ?? 0
      default: 0
      }
    }.max() ?? 0
  }

  // MARK: What is made again

  /// Whether a value is cheap to make from what is held anyway, so that the way back makes it again where it reads it
  /// (Chen et al. 2016, "Training deep nets with sublinear memory cost", section 4). Results that the caller reads stay.
  func isMadeAgain(_ slot: Int) -> Bool {
    if layer(at: slot) != nil { return true }
    guard isInside[slot], !segment.outputs.contains(where: { roots[$0] == slot }) else { return false }
    return switch graph.nodes[slot].op {
    case .groupNorm, .layerNorm, .activation, .geglu, .scaleShift, .concatenate, .upsampleNearest: true
    default: false
    }
  }

  /// The slots that a value is made of.
  func sources(of slot: Int) -> [Int] { graph.nodes[layer(at: slot) ?? slot].inputs.map { roots[$0] } }

  /// The slots that a node's backward pass reads, beside cotangents.
  func readBack(by index: Int) -> [Int] {
    guard needs[roots[index]] else { return [] }
    let node = graph.nodes[index]
    let operands = node.inputs.map { roots[$0] }
    switch node.op {
    case .conv2d, .linear:
      let site = siteSlots[index]
      let isLearned = node.op.parameters.first.map { targets.parameters.contains($0) } ?? false
      let input = isLearned ? [site ?? operands[0]] : []
      return input + (site != nil ? operands : [])
    case .add, .addPerChannel, .affine, .concatenate, .upsampleNearest, .averagePool, .globalAveragePool, .input,
      .toTokens, .fromTokens:
      return []
    case .pool: return operands + [index]
    default: return operands
    }
  }
}
