import Evaluation
import Execution
import Formats
import Graphs
import Networks
import Tensors
import TestSupport
import Testing

/// What holds for every extractor of the catalogue, and the embedded classifier against other implementations.
@Suite struct ExtractorTests {
  enum Engine: String, CaseIterable, Sendable {
    case reference, float

    func executor(_ model: Model) throws -> any Executor {
      switch self {
      case .reference: try ReferenceExecutor(model)
      case .float: try FloatExecutor(model)
      }
    }
  }

  private func load(_ definition: ExtractorDefinition, _ engine: Engine) throws -> any FeatureExtractor {
    guard case .shipped(let shipped) = definition.weights else {
      preconditionFailure("no weights of \(definition.name)")
    }
    let path = Fixtures.path("../../models/" + shipped)
    return try definition.extractor(
      ExtractorSource(weights: Safetensors.read(path), digest: Digest.sha256(file: path), executor: engine.executor))
  }

  private let shape = ImageShape(channels: 1, height: 28, width: 28)

  /// The first 64 test images and the features of an evaluation in Double (make_features.py).
  private func sample() throws -> (pixels: [UInt8], features: [Double]) {
    let archive = try NPZ.read(Fixtures.path("features/fashion-mnist-64.npz"))
    return (try #require(archive.tensors["images"]).bytes, try #require(archive.tensors["features"]).doubles())
  }

  @Test func namesAreUniqueAndFound() throws {
    #expect(Set(FeatureExtractorCatalog.names).count == FeatureExtractorCatalog.names.count)
    for name in FeatureExtractorCatalog.names { #expect(try FeatureExtractorCatalog.named(name).name == name) }
    let error = #expect(throws: EvaluationError.self) { try FeatureExtractorCatalog.named("fashion-mnist-clasifier") }
    #expect(
      error?.description == """
        error[E-FEATURES-NAME]: there is no feature extractor "fashion-mnist-clasifier"; known: fashion-mnist-classifier, inception, inception-64, inception-192, inception-768, inception-spatial
        hint: did you mean "fashion-mnist-classifier"?
        """)
    #expect(error?.exit == .usage)
  }

  /// PyTorch's features of four images.
  @Test(arguments: Engine.allCases)
  func agreesWithPyTorch(_ engine: Engine) throws {
    let golden = try NPZ.read(Fixtures.path("../../models/fashion-mnist-classifier/io.npz"))
    let extractor = try load(FashionMNISTClassifier.definition, engine)
    let features = try extractor.features(of: #require(golden.tensors["images"]).bytes, shape: shape)
    #expect(features.dims == [4, extractor.dimension])
    #expect(try relativeError(features, #require(golden.tensors["features"]?.floats())) <= 1e-5)
  }

  /// Statistics of 64 images against numpy's mean and covariance of features evaluated in Double: here as one product
  /// of centred features. Features agree to 1e-5 of the largest, so the statistics do to a small multiple of it.
  @Test func statisticsAgreeWithAnEvaluationInDouble() throws {
    let (pixels, expected) = try sample()
    let extractor = try load(FashionMNISTClassifier.definition, .float)
    let features = try extractor.features(of: pixels, shape: shape)
    let (count, width) = (64, extractor.dimension)
    #expect(relativeError(features.values, expected.map(Float.init)) <= 1e-5)
    var accumulator = FeatureAccumulator(extractor: extractor.identity, dimension: width)
    try accumulator.add(features, images: 0..<count)
    let statistics = try accumulator.statistics()
    let mean = (0..<width).map { i in (0..<count).reduce(0) { $0 + expected[$1 * width + i] } / Double(count) }
    let centred = DoubleMatrix(rows: count, columns: width, expected.indices.map { expected[$0] - mean[$0 % width] })
    let covariance = try centred.transposed.multiplied(by: centred).values.map { $0 / Double(count - 1) }
    #expect(relativeError(statistics.mean.map { Float($0) }, mean.map { Float($0) }) <= 2e-5)
    #expect(relativeError(statistics.covariance.values.map { Float($0) }, covariance.map { Float($0) }) <= 4e-5)
  }

  private static let shipped = FeatureExtractorCatalog.extractors.filter {
    if case .shipped = $0.weights { true } else { false }
  }.map { $0.name }

  @Test(arguments: shipped, Engine.allCases)
  func bitsDoNotDependOnTheBatch(_ name: String, _ engine: Engine) throws {
    let extractor = try load(FeatureExtractorCatalog.named(name), engine)
    let pixels = Array(try sample().pixels.prefix(7 * shape.count))
    let whole = try extractor.features(of: pixels, shape: shape)
    for cuts in [[0, 1, 2, 3, 4, 5, 6, 7], [0, 3, 6, 7], [0, 5, 7]] {
      let parts = try zip(cuts, cuts.dropFirst()).map {
        try extractor.features(of: Array(pixels[($0 * shape.count)..<($1 * shape.count)]), shape: shape)
      }
      #expect(Tensor.stacked(parts) == whole)
    }
    #expect(try extractor.features(of: [], shape: shape).dims == [0, extractor.dimension])
  }

  @Test func otherSizesAndColoursAreRefusedByName() throws {
    let extractor = try load(FashionMNISTClassifier.definition, .reference)
    let error = #expect(throws: EvaluationError.self) {
      try extractor.features(of: [], shape: ImageShape(channels: 3, height: 32, width: 32))
    }
    #expect(
      error?.description == """
        error[E-FEATURES-IMAGE]: fashion-mnist-classifier takes images of 1x28x28 (channels x height x width), found 3x32x32
        hint: it never resizes or converts colours; --features inception=WEIGHTS takes images of any size
        """)
  }

  @Test func theIdentityNamesWeightsAndPreparation() throws {
    let identity = try load(FashionMNISTClassifier.definition, .reference).identity
    #expect(
      identity.description == "fashion-mnist-classifier (28x28 grey, u8 / 127.5 - 1, no resize; weights "
        + "c652b2b5549c481be34536453df892b184790a49ceb9cc3ba13cb652d7543753)")
    #expect(FrechetDistance.title(identity) == "Fréchet distance on fashion-mnist-classifier features")
  }

  @Test func weightsOfAnotherNetworkAreRefused() throws {
    var weights = try Safetensors.read(Fixtures.path("../../models/fashion-mnist-classifier/model.safetensors"))
    weights.tensors["fc.bias"] = nil
    let error = #expect(throws: WeightsError.self) {
      try FashionMNISTClassifier.definition.extractor(
        ExtractorSource(weights: weights, digest: "00", executor: Engine.reference.executor))
    }
    #expect(
      error?.message == "fashion-mnist-classifier/model.safetensors does not fit the network:\n  missing: fc.bias [10]")
  }
}
