import Execution
import Graphs
import Networks
import Tensors

/// The 128 pooled features of the embedded Fashion-MNIST classifier (models/fashion-mnist-classifier): 28x28 grey images
/// as they are, u8 / 127.5 - 1, no resize.
package struct FashionMNISTClassifier: FeatureExtractor {
  private static let name = "fashion-mnist-classifier"
  private static let path = "fashion-mnist-classifier/model.safetensors"

  package static let definition = ExtractorDefinition(
    name: name, weights: .shipped(path: path), make: { try FashionMNISTClassifier($0) },
    makeMaps: { try FashionMNISTMaps($0) })

  package let identity: FeatureExtractorIdentity
  package let dimension = ConvClassifier.featureCount
  package let head: ClassifierHead?
  private let executor: any Executor

  package init(_ source: ExtractorSource) throws {
    identity = Self.identity(source)
    let model = try Self.model(source)
    head = model.parameters["fc.weight"].map { ClassifierHead(weight: $0, bias: model.parameters["fc.bias"]?.values) }
    executor = try source.executor(model.part(ConvClassifier.graph(.features)))
  }

  package func features(of pixels: [UInt8], shape: ImageShape) throws -> Tensor {
    try executor.run(NetworkInput(images: Self.images(pixels, shape: shape)))
  }

  fileprivate static func identity(_ source: ExtractorSource) -> FeatureExtractorIdentity {
    let shape = ConvClassifier.imageShape
    return FeatureExtractorIdentity(
      name: name, mode: "\(shape.height)x\(shape.width) grey, u8 / 127.5 - 1, no resize", digest: source.digest)
  }

  fileprivate static func model(_ source: ExtractorSource) throws -> Model {
    try Model.load(graph: ConvClassifier.graph(.logits), archive: source.weights, file: path)
  }

  fileprivate static func images(_ pixels: [UInt8], shape: ImageShape) throws -> Tensor {
    guard shape == ConvClassifier.imageShape else {
      throw EvaluationError.imageShape(extractor: name, expected: ConvClassifier.imageShape, found: shape)
    }
    precondition(pixels.count % shape.count == 0)
    // One channel: N H W C and N C H W are the same order.
    return Tensor([pixels.count / shape.count] + shape.dims, pixels.map { values[Int($0)] })
  }

  /// The network's input for each pixel level, in Float and by division, as in training.
  private static let values = (0...255).map { Float($0) / 127.5 - 1 }
}

/// The classifier's five maps, each after its activation.
private struct FashionMNISTMaps: MapExtractor {
  let identity: FeatureExtractorIdentity
  private let executors: [any Executor]

  init(_ source: ExtractorSource) throws {
    identity = FashionMNISTClassifier.identity(source)
    let model = try FashionMNISTClassifier.model(source)
    executors = try (1...ConvClassifier.layerCount).map {
      try source.executor(model.part(ConvClassifier.graph(.map(after: $0))))
    }
  }

  func maps(of pixels: [UInt8], shape: ImageShape) throws -> [Tensor] {
    let input = NetworkInput(images: try FashionMNISTClassifier.images(pixels, shape: shape))
    return try executors.map { try $0.run(input) }
  }
}
