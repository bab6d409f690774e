import Models
import Tensors

/// The published weights of the FID network: pytorch-fid's and torch-fidelity's files are the same bytes.
package enum InceptionWeights {
  package static let digest = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
  package static let source = "https://github.com/mseitzer/pytorch-fid/releases (pt_inception-2015-12-05-6726825d.pth)"
  package static let variable = "HALFTONE_INCEPTION"

  /// Whether features of this identity are what FID is defined on.
  static func isPublished(_ identity: FeatureExtractorIdentity) -> Bool {
    identity.name.hasPrefix(Inception.name) && identity.digest.hasSuffix(digest)
  }
}

/// The 2048 pooled features of the FID network, pixels prepared as pytorch-fid does: u8 / 255, bilinear to 299x299 with
/// half-pixel centres and no antialiasing, 2 x - 1. Grey images are repeated over the three colours.
package struct Inception: FeatureExtractor {
  package static let name = "inception"
  package static let weights = ExtractorWeights.user(
    variable: InceptionWeights.variable, source: InceptionWeights.source, digest: InceptionWeights.digest)

  package let identity: FeatureExtractorIdentity
  package let dimension = InceptionV3.featureCount
  package let head: ClassifierHead?
  private let network: InceptionNetwork

  package init(weights: TensorArchive, digest: String, executor: (Model) throws -> any Executor) throws {
    identity = FeatureExtractorIdentity(
      name: Self.name, mode: "pytorch-fid: RGB u8 / 255, bilinear to 299x299 without antialiasing, 2 x - 1",
      digest: digest)
    network = try InceptionNetwork(weights, executor)
    head = network.head
  }

  package func features(of pixels: [UInt8], shape: ImageShape) throws -> Tensor {
    try network.features(of: pixels, shape: shape, extractor: Self.name, .halfPixelCentres) { $0 / 255 * 2 - 1 }
  }
}

/// The same network with pixels prepared as torch-fidelity and TensorFlow 1 do: bilinear to 299x299 with source position
/// = destination position * size / 299, then (u8 - 128) / 128.
package struct InceptionTorchFidelity: FeatureExtractor {
  package static let name = "inception-torch-fidelity"
  package static let weights = Inception.weights

  package let identity: FeatureExtractorIdentity
  package let dimension = InceptionV3.featureCount
  package let head: ClassifierHead?
  private let network: InceptionNetwork

  package init(weights: TensorArchive, digest: String, executor: (Model) throws -> any Executor) throws {
    identity = FeatureExtractorIdentity(
      name: Self.name, mode: "torch-fidelity: RGB u8, TensorFlow 1 bilinear to 299x299, (x - 128) / 128", digest: digest
    )
    network = try InceptionNetwork(weights, executor)
    head = network.head
  }

  package func features(of pixels: [UInt8], shape: ImageShape) throws -> Tensor {
    try network.features(of: pixels, shape: shape, extractor: Self.name, .corners) { ($0 - 128) / 128 }
  }
}

/// The network behind both.
private struct InceptionNetwork: Sendable {
  let head: ClassifierHead?
  private let executor: any Executor

  init(_ weights: TensorArchive, _ executor: (Model) throws -> any Executor) throws {
    let model = try Model.load(
      graph: InceptionV3.graph(.features), archive: InceptionV3.foldedWeights(weights),
      file: "the Inception weights file")
    // The Inception score is defined on logits without bias.
    head = model.parameters["fc.weight"].map { ClassifierHead(weight: $0, bias: nil) }
    self.executor = try executor(model)
  }

  /// - Parameter value: the network's input for a resized pixel level.
  func features(
    of pixels: [UInt8], shape: ImageShape, extractor: String, _ positions: BilinearResize.Positions,
    _ value: (Float) -> Float
  ) throws -> Tensor {
    guard shape.channels == 1 || shape.channels == 3 else {
      throw EvaluationError.imageShape(
        extractor: extractor, expected: ImageShape(channels: 3, height: shape.height, width: shape.width), found: shape)
    }
    precondition(pixels.count % shape.count == 0)
    let size = InceptionV3.imageShape
    let resize = BilinearResize(from: shape, height: size.height, width: size.width, positions)
    var x = Tensor([pixels.count / shape.count] + size.dims)
    for image in 0..<x.dims[0] {
      for channel in 0..<3 {
        let start = (image * 3 + channel) * size.height * size.width
        resize.write(
          pixels, from: image * shape.count + (shape.channels == 3 ? channel : 0), to: &x.values, from: start, value)
      }
    }
    return try executor.run(NetworkInput(images: x))
  }
}
