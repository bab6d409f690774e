import Graphs
import Tensors

/// The embedded image classifier (models/fashion-mnist-classifier): five convolutions, each with group normalisation and
/// SiLU, then the mean over all positions as features and one linear layer for the logits.
package enum ConvClassifier {
  package enum Output: Sendable, Equatable {
    /// 128 values per image.
    case features
    /// One value per class: the graph that declares every parameter of the weights file.
    case logits
    /// The values after so many convolutions (1 to `layerCount`) with their normalisations and activations.
    case map(after: Int)
  }

  private static let layers: [(channels: Int, stride: Int)] = [(32, 1), (64, 2), (64, 1), (128, 2), (128, 1)]
  private static let groups = 8
  private static let epsilon: Float = 1e-5

  package static let featureCount = 128
  package static let classCount = 10
  package static let imageShape = ImageShape(channels: 1, height: 28, width: 28)

  package static var layerCount: Int { layers.count }

  /// Parameters `conv1`…`conv5`, `norm1`…`norm5` and `fc`, as in the weights file, as far as the output needs them. Images are
  /// in [-1, 1].
  package static func graph(_ output: Output) -> Graph {
    var g = GraphBuilder()
    var h = g.sample(imageShape)
    for (position, layer) in layers.enumerated() {
      if output == .map(after: position) { break }
      h = g.conv2d("conv\(position + 1)", h, out: layer.channels, stride: layer.stride)
      h = g.groupNorm("norm\(position + 1)", h, groups: groups, epsilon: epsilon)
      h = g.activation("act\(position + 1)", h, .silu)
    }
    do {
      switch output {
      case .map: return try g.finish(output: h)
      case .features: return try g.finish(output: g.globalAveragePool("features", h))
      case .logits: return try g.finish(output: g.linear("fc", g.globalAveragePool("features", h), out: classCount))
      }
    } catch {
      preconditionFailure("\(error)")
    }
  }
}
