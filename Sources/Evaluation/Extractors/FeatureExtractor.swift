import Models
import Tensors

/// Where an extractor's weights come from.
package enum ExtractorWeights: Sendable, Equatable {
  /// With Halftone; relative to the folder of models.
  case shipped(path: String)
  /// The user's file, never fetched: named on the command line or by an environment variable. Source and SHA-256 are of
  /// the published file.
  case user(variable: String, source: String, digest: String)
}

/// Turns 8-bit images into feature vectors. An extractor owns everything between the stored pixels and the features:
/// accepted sizes, resize, value range, network and weights. All of it is part of its identity, because all of it
/// changes scores.
package protocol FeatureExtractor: Sendable {
  /// As users write it and outputs print it.
  static var name: String { get }
  static var weights: ExtractorWeights { get }

  var identity: FeatureExtractorIdentity { get }
  /// Length d of a feature vector.
  var dimension: Int { get }
  /// The classifier's last layer, where the features are what comes before it; nil for other networks.
  var head: ClassifierHead? { get }

  /// - Parameters:
  ///   - weights: the file's arrays.
  ///   - digest: the file's SHA-256, 64 lower-case hexadecimal digits; becomes part of the identity.
  ///   - executor: runs the network. Image k must get the same bits in any batch.
  /// - Throws: when the weights do not fit the network.
  init(weights: TensorArchive, digest: String, executor: (Model) throws -> any Executor) throws

  /// Features of a batch; image k's do not depend on the images beside it, nor on their number.
  /// - Parameters:
  ///   - pixels: N H W C, 0...255.
  ///   - shape: of one image.
  /// - Returns: N x d.
  /// - Precondition: the pixels are whole images of `shape`.
  /// - Throws: `EvaluationError.imageShape` for sizes or colours that the extractor does not take.
  func features(of pixels: [UInt8], shape: ImageShape) throws -> Tensor
}
