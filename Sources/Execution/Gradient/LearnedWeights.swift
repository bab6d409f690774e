import Graphs
import Tensors

/// What learns the weights of layers: the executor asks for a weight whenever a pass comes to its layer, and hands each gradient over as
/// soon as it is formed. Both are [out][tap][in].
package protocol LearnedWeights: AnyObject {
  /// Writes a layer's weight: the same in a forward pass and in the backward pass behind it.
  /// - Parameter node: the layer's.
  func write(_ node: Int, to values: UnsafeMutablePointer<Float>)
  /// Takes a layer's gradient, which may be overwritten and is gone afterwards. The weight may change from here on: no other layer's
  /// gradient depends on it any more.
  func take(_ gradient: UnsafeMutablePointer<Float>, of node: Int)
}

extension GradientExecutor {
  /// A layer's weight as the convolutions of one direction read it: kept, or, where it is learned, written and packed now.
  func packedWeights(
    of layer: GradientLayer, _ node: Node, _ direction: GradientLayer.Direction
  ) -> UnsafePointer<Float> {
    if let kept = layer.packed(direction) { return UnsafePointer(kept) }
    if let learned {
      learned.write(node.index, to: memory.layerWeight)
    } else {
      guard let weight = parameters[layer.weightName] else {
        preconditionFailure("\(layer.weightName) is learned by nobody and not in memory")
      }
      layer.order.toLayer(weight.values, memory.layerWeight)
    }
    pack(layer, direction, to: memory.packedLayer)
    return UnsafePointer(memory.packedLayer)
  }

  /// Packs the weights of all layers that are not learned, for good.
  /// - Throws: what keeps a weight from being read.
  func packFixedLayers(of model: Model) throws {
    for node in segment.nodes {
      guard let layer = layers[node], !layer.isLearned, let weight = try model.parameter(layer.weightName) else {
        continue
      }
      layer.order.toLayer(weight.values, memory.layerWeight)
      for direction in [GradientLayer.Direction.forward, .backward] {
        if let packed = layer.packed(direction) { pack(layer, direction, to: packed) }
      }
    }
  }

  private func pack(
    _ layer: GradientLayer, _ direction: GradientLayer.Direction, to packed: UnsafeMutablePointer<Float>
  ) {
    pool.parallel(layer.packCount(direction)) {
      layer.pack($0, direction, from: memory.layerWeight, to: packed, kernels)
    }
  }

  /// Hands a layer's finished gradient over.
  func deliverGradient(of layer: GradientLayer, _ node: Node) {
    if let learned {
      learned.take(memory.layerGradient, of: node.index)
    } else {
      parameterGradients[layer.weightName] = layer.order.toCheckpoint(memory.layerGradient)
    }
  }
}
