import Execution
import Graphs
import Networks
import Tensors

/// The published weights of the FID network: pytorch-fid's and torch-fidelity's files are the same bytes.
package enum InceptionWeights {
  package static let digest = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
  package static let source =
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth"
  package static let variable = "HALFTONE_INCEPTION"

  /// Whether features of this identity are what FID (or sFID, KID, IS) is defined on.
  static func isPublished(_ identity: FeatureExtractorIdentity, tap: InceptionTap) -> Bool {
    identity.name == tap.name && identity.digest.hasSuffix(digest)
  }
}

/// Where the FID network is read.
package enum InceptionTap: Sendable, CaseIterable {
  /// Mean over all positions after Mixed_7c, 2048 values: what FID is defined on.
  case pool3
  /// The same after the first and second maximum pooling and after Mixed_6e: pytorch-fid's `--dims 64`, `192`, `768`.
  case firstPool, secondPool, mixed6e
  /// 17x17 positions of the first 7 channels of `mixed_6/conv`, position by position: what sFID is defined on.
  case spatial

  package var name: String {
    switch self {
    case .pool3: "inception"
    case .firstPool: "inception-64"
    case .secondPool: "inception-192"
    case .mixed6e: "inception-768"
    case .spatial: "inception-spatial"
    }
  }

  package var dimension: Int {
    switch self {
    case .pool3: InceptionV3.featureCount
    case .firstPool: 64
    case .secondPool: 192
    case .mixed6e: 768
    case .spatial:
      InceptionV3.Place.mixed6c.shape.height * InceptionV3.Place.mixed6c.shape.width * InceptionV3.spatialChannels
    }
  }

  package var definition: ExtractorDefinition {
    ExtractorDefinition(
      name: name,
      weights: .user(
        variable: InceptionWeights.variable, source: InceptionWeights.source, digest: InceptionWeights.digest),
      modes: InceptionMode.allCases.map(\.rawValue),
      make: { try Inception($0, tap: self) }, makeMaps: { try InceptionMaps($0, name: name) })
  }
}

/// Features of the FID network, pixels prepared in one of `InceptionMode`'s ways.
package struct Inception: FeatureExtractor {
  package let identity: FeatureExtractorIdentity
  package let dimension: Int
  package let head: ClassifierHead?
  package let spatial: FeatureKind?

  private let tap: InceptionTap
  private let mode: InceptionMode
  /// From the image to the features, or to Mixed_6c, from where `tail` leads to the features and `branch` to the spatial ones.
  private let trunk: any Executor
  private let tail: (any Executor)?
  private let branch: (any Executor)?

  package init(_ source: ExtractorSource, tap: InceptionTap) throws {
    let model = try source.inceptionModel()
    let mode = try source.inceptionMode(of: tap.name)
    func identity(_ tap: InceptionTap) -> FeatureExtractorIdentity {
      FeatureExtractorIdentity(name: tap.name, mode: "\(mode.rawValue): \(mode.preparation)", digest: source.digest)
    }
    func executor(to end: InceptionV3.Place, from start: InceptionV3.Place = .image, pooled: Bool) throws
      -> any Executor
    {
      try source.executor(model.part(InceptionV3.graph(from: start, to: end, pooled: pooled)))
    }
    self.tap = tap
    self.mode = mode
    self.identity = identity(tap)
    dimension = tap.dimension
    switch tap {
    case .pool3:
      trunk = try executor(to: .mixed6c, pooled: false)
      tail = try executor(to: .mixed7c, from: .mixed6c, pooled: true)
      branch = try source.executor(model.spatialBranch())
      spatial = FeatureKind(identity: identity(.spatial), dimension: InceptionTap.spatial.dimension)
      // The Inception score is defined on logits without bias.
      head = model.parameters["fc.weight"].map { ClassifierHead(weight: $0, bias: nil) }
    case .firstPool, .secondPool, .mixed6e:
      let ends: [InceptionV3.Place] = [.firstPool, .secondPool, .mixed6e]
      guard let end = ends.first(where: { $0.shape.channels == tap.dimension }) else {
        preconditionFailure("no place has \(tap.dimension) channels")
      }
      trunk = try executor(to: end, pooled: true)
      (tail, branch, spatial, head) = (nil, nil, nil, nil)
    case .spatial:
      trunk = try executor(to: .mixed6c, pooled: false)
      branch = try source.executor(model.spatialBranch())
      (tail, spatial, head) = (nil, nil, nil)
    }
  }

  package func features(of pixels: [UInt8], shape: ImageShape) throws -> Tensor {
    let x = try source(pixels, shape)
    if tap == .spatial, let branch { return try Self.spatialFeatures(x, branch) }
    return try tail.map { try $0.run(NetworkInput(images: x)) } ?? x
  }

  package func allFeatures(of pixels: [UInt8], shape: ImageShape) throws -> (main: Tensor, spatial: Tensor?) {
    guard let tail, let branch else { return (try features(of: pixels, shape: shape), nil) }
    let x = try source(pixels, shape)
    return (try tail.run(NetworkInput(images: x)), try Self.spatialFeatures(x, branch))
  }

  /// What the trunk makes of images.
  private func source(_ pixels: [UInt8], _ shape: ImageShape) throws -> Tensor {
    try requireColours(shape, extractor: identity.name)
    precondition(pixels.count % shape.count == 0)
    return try trunk.run(NetworkInput(images: mode.prepare(pixels, shape: shape)))
  }

  /// N x 2023, positions row by row, channels innermost: the order of guided-diffusion's statistics.
  private static func spatialFeatures(_ x: Tensor, _ branch: any Executor) throws -> Tensor {
    let map = try branch.run(NetworkInput(images: x))
    let (channels, positions) = (map.dims[1], map.dims[2] * map.dims[3])
    var out = Tensor([map.dims[0], positions * channels])
    for image in 0..<map.dims[0] {
      let first = image * positions * channels
      for position in 0..<positions {
        for channel in 0..<channels {
          out.values[first + position * channels + channel] = map.values[first + channel * positions + position]
        }
      }
    }
    return out
  }
}

/// Maps of the FID network at four depths.
struct InceptionMaps: MapExtractor {
  let identity: FeatureExtractorIdentity
  private let mode: InceptionMode
  private let executors: [any Executor]

  init(_ source: ExtractorSource, name: String) throws {
    let model = try source.inceptionModel()
    mode = try source.inceptionMode(of: name)
    identity = FeatureExtractorIdentity(
      name: name, mode: "\(mode.rawValue): \(mode.preparation)", digest: source.digest)
    let places: [InceptionV3.Place] = [.image, .firstPool, .secondPool, .mixed6e, .mixed7c]
    executors = try zip(places, places.dropFirst()).map {
      try source.executor(model.part(InceptionV3.graph(from: $0, to: $1, pooled: false)))
    }
  }

  func maps(of pixels: [UInt8], shape: ImageShape) throws -> [Tensor] {
    try requireColours(shape, extractor: identity.name)
    var x = mode.prepare(pixels, shape: shape)
    return try executors.map {
      x = try $0.run(NetworkInput(images: x))
      return x
    }
  }
}

private func requireColours(_ shape: ImageShape, extractor: String) throws(EvaluationError) {
  if shape.channels == 1 || shape.channels == 3 { return }
  throw .imageShape(
    extractor: extractor, expected: ImageShape(channels: 3, height: shape.height, width: shape.width), found: shape)
}

extension ExtractorSource {
  /// The whole network, batch normalisations folded in; the file is checked strictly.
  fileprivate func inceptionModel() throws -> Model {
    try Model.load(
      graph: InceptionV3.wholeGraph, archive: weights, file: "the Inception weights file", layout: InceptionLayout())
  }

  fileprivate func inceptionMode(of extractor: String) throws(EvaluationError) -> InceptionMode {
    guard let name = mode else { return .pytorchFID }
    guard let found = InceptionMode(rawValue: name) else {
      throw .unknownMode(name, extractor: extractor, known: InceptionMode.allCases.map(\.rawValue))
    }
    return found
  }
}

extension Model {
  /// The convolution behind the spatial features: the first channels of Mixed_6d's 1x1 branch.
  fileprivate func spatialBranch() -> Model {
    let graph = InceptionV3.spatialGraph()
    let pairs = graph.parameters.compactMap { parameter in
      parameters[parameter.name].map { (parameter.name, $0.rows(0..<parameter.dims[0])) }
    }
    return Model(graph: graph, parameters: Dictionary(uniqueKeysWithValues: pairs))
  }
}
