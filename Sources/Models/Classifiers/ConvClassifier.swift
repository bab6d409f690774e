import Tensors

/// The embedded image classifier (models/fashion-mnist-classifier): five convolutions, each with group normalisation and
/// SiLU, then the mean over all positions as features and one linear layer for the logits.
package enum ConvClassifier {
  package enum Output: Sendable { case features, logits }

  private static let layers: [(channels: Int, stride: Int)] = [(32, 1), (64, 2), (64, 1), (128, 2), (128, 1)]
  private static let groups = 8
  private static let epsilon: Float = 1e-5

  package static let featureCount = 128
  package static let classCount = 10
  package static let imageShape = ImageShape(channels: 1, height: 28, width: 28)

  /// Parameters `conv1`…`conv5`, `norm1`…`norm5` and `fc`, as in the weights file. Images are in [-1, 1].
  /// - Parameter output: `features`: 128 values per image; `logits`: one per class. All parameters are declared either
  ///   way, so that the file is loaded strictly.
  package static func graph(_ output: Output) -> Graph {
    var g = GraphBuilder(imageShape: imageShape)
    var h = g.image()
    for (position, layer) in layers.enumerated() {
      h = g.conv2d("conv\(position + 1)", h, out: layer.channels, stride: layer.stride)
      h = g.groupNorm("norm\(position + 1)", h, groups: groups, epsilon: epsilon)
      h = g.activation("act\(position + 1)", h, .silu)
    }
    let features = g.globalAveragePool("features", h)
    let logits = g.linear("fc", features, out: classCount)
    do {
      return try g.finish(output: output == .features ? features : logits)
    } catch {
      preconditionFailure("\(error)")
    }
  }
}
