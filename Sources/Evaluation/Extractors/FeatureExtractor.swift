import Execution
import Graphs
import Tensors

/// Where an extractor's weights come from.
package enum ExtractorWeights: Sendable, Equatable {
  /// With Halftone; relative to the folder of models.
  case shipped(path: String)
  /// The user's file, never fetched: named on the command line or by an environment variable. Source and SHA-256 are of
  /// the published file.
  case user(variable: String, source: String, digest: String)
}

/// What an extractor is made from.
package struct ExtractorSource {
  /// The weights file's arrays.
  package let weights: TensorArchive
  /// The weights file's SHA-256, 64 lower-case hexadecimal digits; becomes part of the identity.
  package let digest: String
  /// One of the definition's modes; nil: the first.
  package let mode: String?
  /// Runs the network. Image k must get the same bits in any batch.
  package let executor: (Model) throws -> any Executor

  package init(
    weights: TensorArchive, digest: String, mode: String? = nil, executor: @escaping (Model) throws -> any Executor
  ) {
    self.weights = weights
    self.digest = digest
    self.mode = mode
    self.executor = executor
  }
}

/// An extractor that can be made: what commands know about it before they read its weights.
package struct ExtractorDefinition: Sendable {
  /// As users write it and outputs print it.
  package let name: String
  package let weights: ExtractorWeights
  /// Ways of preparing pixels, the standard one first; empty where there is one only.
  package let modes: [String]
  private let make: @Sendable (ExtractorSource) throws -> any FeatureExtractor
  private let makeMaps: @Sendable (ExtractorSource) throws -> any MapExtractor

  package init(
    name: String, weights: ExtractorWeights, modes: [String] = [],
    make: @escaping @Sendable (ExtractorSource) throws -> any FeatureExtractor,
    makeMaps: @escaping @Sendable (ExtractorSource) throws -> any MapExtractor
  ) {
    self.name = name
    self.weights = weights
    self.modes = modes
    self.make = make
    self.makeMaps = makeMaps
  }

  /// - Throws: when the weights do not fit the network, or there is no such mode.
  package func extractor(_ source: ExtractorSource) throws -> any FeatureExtractor {
    try check(source)
    return try make(source)
  }

  /// The same network as a source of maps. - Throws: as `extractor`.
  package func mapExtractor(_ source: ExtractorSource) throws -> any MapExtractor {
    try check(source)
    return try makeMaps(source)
  }

  private func check(_ source: ExtractorSource) throws(EvaluationError) {
    guard let mode = source.mode, !modes.contains(mode) else { return }
    throw .unknownMode(mode, extractor: name, known: modes)
  }
}

/// One kind of features.
package struct FeatureKind: Sendable, Equatable {
  package let identity: FeatureExtractorIdentity
  /// Length d of a feature vector.
  package let dimension: Int
}

/// Turns 8-bit images into feature vectors. An extractor owns everything between the stored pixels and the features:
/// accepted sizes, resize, value range, network and weights. All of it is part of its identity, because all of it
/// changes scores.
package protocol FeatureExtractor: Sendable {
  var identity: FeatureExtractorIdentity { get }
  /// Length d of a feature vector.
  var dimension: Int { get }
  /// The classifier's last layer, where the features are what comes before it; nil for other networks.
  var head: ClassifierHead? { get }
  /// Features of single positions that the same pass can give (what sFID is defined on); nil where there are none.
  var spatial: FeatureKind? { get }

  /// Features of a batch; image k's do not depend on the images beside it, nor on their number.
  /// - Parameters:
  ///   - pixels: N H W C, 0...255.
  ///   - shape: of one image.
  /// - Returns: N x d.
  /// - Precondition: the pixels are whole images of `shape`.
  /// - Throws: `EvaluationError.imageShape` for sizes or colours that the extractor does not take.
  func features(of pixels: [UInt8], shape: ImageShape) throws -> Tensor

  /// As `features`, and the spatial features of the same images where `spatial` says there are any.
  func allFeatures(of pixels: [UInt8], shape: ImageShape) throws -> (main: Tensor, spatial: Tensor?)
}

extension FeatureExtractor {
  package var kind: FeatureKind { FeatureKind(identity: identity, dimension: dimension) }
  package var spatial: FeatureKind? { nil }
  package func allFeatures(of pixels: [UInt8], shape: ImageShape) throws -> (main: Tensor, spatial: Tensor?) {
    (try features(of: pixels, shape: shape), nil)
  }
}

/// Turns 8-bit images into maps of a network at several depths: what perceptual distances compare.
package protocol MapExtractor: Sendable {
  var identity: FeatureExtractorIdentity { get }
  /// N C H W each, from shallow to deep. - Throws: `EvaluationError.imageShape`.
  func maps(of pixels: [UInt8], shape: ImageShape) throws -> [Tensor]
}
