import Models
import Tensors

/// The 128 pooled features of the embedded Fashion-MNIST classifier (models/fashion-mnist-classifier): 28x28 grey images
/// as they are, u8 / 127.5 - 1, no resize.
package struct FashionMNISTClassifier: FeatureExtractor {
  package static let name = "fashion-mnist-classifier"
  private static let path = "fashion-mnist-classifier/model.safetensors"
  package static let weights = ExtractorWeights.shipped(path: path)

  package let identity: FeatureExtractorIdentity
  package let dimension = ConvClassifier.featureCount
  package let head: ClassifierHead?
  private let executor: any Executor

  package init(weights: TensorArchive, digest: String, executor: (Model) throws -> any Executor) throws {
    let shape = ConvClassifier.imageShape
    identity = FeatureExtractorIdentity(
      name: Self.name, mode: "\(shape.height)x\(shape.width) grey, u8 / 127.5 - 1, no resize", digest: digest)
    let model = try Model.load(graph: ConvClassifier.graph(.features), archive: weights, file: Self.path)
    head = model.parameters["fc.weight"].map { ClassifierHead(weight: $0, bias: model.parameters["fc.bias"]?.values) }
    self.executor = try executor(model)
  }

  package func features(of pixels: [UInt8], shape: ImageShape) throws -> Tensor {
    guard shape == ConvClassifier.imageShape else {
      throw EvaluationError.imageShape(extractor: Self.name, expected: ConvClassifier.imageShape, found: shape)
    }
    precondition(pixels.count % shape.count == 0)
    // One channel: N H W C and N C H W are the same order.
    let x = Tensor([pixels.count / shape.count] + shape.dims, pixels.map { Self.values[Int($0)] })
    return try executor.run(NetworkInput(images: x))
  }

  /// The network's input for each pixel level, in Float and by division, as in training.
  private static let values = (0...255).map { Float($0) / 127.5 - 1 }
}
