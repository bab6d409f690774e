import Evaluation
import Execution
import Formats
import Networks
import Tensors
import TestSupport
import Testing

/// The FID network against pytorch-fid and torch-fidelity, with weights that are a formula of names and indices
/// (Tests/Fixtures/inception/make_inception.py).
@Suite struct InceptionTests {
  private static let weights = InceptionFormula.weights

  private static func load(_ tap: InceptionTap, _ mode: InceptionMode? = nil) throws -> any FeatureExtractor {
    try tap.definition.extractor(source(weights, mode?.rawValue))
  }

  private static func source(_ weights: TensorArchive, _ mode: String? = nil) -> ExtractorSource {
    ExtractorSource(weights: weights, digest: "formula", mode: mode) { try FloatExecutor($0, winograd: true) }
  }

  private let golden: TensorArchive
  private let pixels: [UInt8]
  private let shape = ImageShape(channels: 3, height: 40, width: 33)
  init() throws {
    golden = try NPZ.read(Fixtures.path("inception/inception.npz"))
    pixels = try #require(golden.tensors["images"]).bytes
  }

  private func expected(_ name: String) throws -> Tensor { try #require(golden.tensors[name]?.floats()) }

  struct Case: Sendable, CustomTestStringConvertible {
    var golden: String
    var tap: InceptionTap
    var mode: InceptionMode?
    var testDescription: String { golden }
  }

  @Test(arguments: [
    Case(golden: "pytorch_fid_64", tap: .firstPool), Case(golden: "pytorch_fid_192", tap: .secondPool),
    Case(golden: "pytorch_fid_768", tap: .mixed6e), Case(golden: "clean", tap: .pool3, mode: .clean),
  ])
  func tapsAndModesAgree(_ row: Case) throws {
    let features = try Self.load(row.tap, row.mode).features(of: pixels, shape: shape)
    #expect(features.dims == [2, row.tap.dimension])
    #expect(try relativeError(features, expected(row.golden)) <= 1e-4)
  }

  /// The default mode, in two batches.
  @Test func featuresAgreeWithPyTorchFID() throws {
    let extractor = try Self.load(.pool3)
    #expect(
      extractor.identity.mode == "pytorch-fid: RGB u8 / 255, bilinear to 299x299 without antialiasing, 2 x - 1")
    let features = try extractor.features(of: pixels, shape: shape)
    #expect(features.dims == [2, 2048])
    #expect(try relativeError(features, expected("pytorch_fid")) <= 1e-4)
    // An image's features do not depend on its batch.
    let second = try extractor.features(of: Array(pixels.suffix(shape.count)), shape: shape)
    #expect(second == features.rows(1..<2))
  }

  /// Preparation of torch-fidelity and of guided-diffusion's evaluator: features, logits without bias and spatial features.
  @Test func oneTapGivesTheOthersBits() throws {
    let extractor = try Self.load(.pool3, .adm)
    let (features, spatial) = try extractor.allFeatures(of: pixels, shape: shape)
    #expect(try relativeError(features, expected("torch_fidelity")) <= 1e-4)
    #expect(try relativeError(#require(spatial), expected("spatial")) <= 1e-4)
    #expect(extractor.spatial?.dimension == 2023 && extractor.spatial?.identity.name == "inception-spatial")
    let alone = try Self.load(.spatial, .adm)
    #expect(alone.identity == extractor.spatial?.identity)
    #expect(try alone.features(of: pixels, shape: shape) == spatial)

    let head = try #require(extractor.head)
    #expect(head.bias == nil && head.classCount == 1008)
    let logits = (0..<2).flatMap { image in
      (0..<1008).map { k in
        Float(
          (0..<2048).reduce(0.0) {
            $0 + Double(head.weight.values[k * 2048 + $1]) * Double(features.values[image * 2048 + $1])
          })
      }
    }
    #expect(try relativeError(logits, expected("logits_unbiased").values) <= 1e-4)
  }

  /// Maps are what the features are the means of; equal images are at distance 0, others are not.
  @Test func mapsAreWhatFeaturesAreTheMeansOf() throws {
    let extractor = try InceptionTap.pool3.definition.mapExtractor(Self.source(Self.weights))
    let maps = try extractor.maps(of: pixels, shape: shape)
    #expect(maps.map(\.dims) == [[2, 64, 73, 73], [2, 192, 35, 35], [2, 768, 17, 17], [2, 2048, 8, 8]])
    let names = ["pytorch_fid_64", "pytorch_fid_192", "pytorch_fid_768", "pytorch_fid"]
    for (map, name) in zip(maps, names) {
      let positions = map.dims[2] * map.dims[3]
      let means = (0..<2 * map.dims[1]).map { row in
        Float((0..<positions).reduce(0.0) { $0 + Double(map.values[row * positions + $1]) } / Double(positions))
      }
      #expect(try relativeError(means, expected(name).values) <= 1e-4)
    }
    let swapped = try extractor.maps(of: Array(pixels.suffix(shape.count) + pixels.prefix(shape.count)), shape: shape)
    let distances = PerceptualDistance.distances(reference: maps, other: swapped)
    #expect(distances[0] == distances[1] && distances[0] > 0.1)
    #expect(PerceptualDistance.distances(reference: maps, other: maps) == [0, 0])
  }

  /// Grey images are three equal channels.
  @Test func greyImagesAreRepeated() throws {
    let extractor = try Self.load(.pool3)
    let grey = (0..<144).map { UInt8($0) }
    let one = ImageShape(channels: 1, height: 12, width: 12)
    let three = ImageShape(channels: 3, height: 12, width: 12)
    #expect(
      try extractor.features(of: grey, shape: one)
        == extractor.features(of: grey.flatMap { [$0, $0, $0] }, shape: three))
    #expect(throws: EvaluationError.self) {
      try extractor.features(of: [1, 2], shape: ImageShape(channels: 2, height: 1, width: 1))
    }
  }

  @Test func weightsThatDoNotFitAreNamed() throws {
    var weights = Self.weights
    weights.tensors["Mixed_6b.branch7x7_2.bn.running_var"] = nil
    weights.tensors["AuxLogits.fc.weight"] = StoredTensor(Tensor([1]))
    weights.tensors["fc.bias"] = StoredTensor(Tensor([1000]))
    let error = #expect(throws: WeightsError.self) {
      try InceptionTap.pool3.definition.extractor(Self.source(weights))
    }
    let problems = try #require(error?.problems.map { "\($0)" })
    #expect(problems.count == 2)
    #expect(error?.message.contains("missing: Mixed_6b.branch7x7_2.bn.running_var [128]") == true)
    #expect(error?.message.contains("fc.bias: expected shape [1008], found [1000]") == true)
  }

  @Test func unknownModesNameTheKnownOnes() {
    let error = #expect(throws: EvaluationError.self) {
      try InceptionTap.pool3.definition.extractor(Self.source(Self.weights, "clena"))
    }
    #expect(
      error?.description == """
        error[E-FEATURES-MODE]: inception has no mode "clena"; known: pytorch-fid, torch-fidelity, clean, adm
        hint: did you mean "clean"?
        """)
    let other = #expect(throws: EvaluationError.self) {
      try FashionMNISTClassifier.definition.extractor(Self.source(Self.weights, "adm"))
    }
    #expect(other?.message == "fashion-mnist-classifier prepares pixels in one way only; there is no mode \"adm\"")
  }

  /// Scores have the names that mean Inception with the published weights only.
  @Test func onlyThePublishedWeightsMakeFID() {
    func identity(_ name: String, _ digest: String) -> FeatureExtractorIdentity {
      FeatureExtractorIdentity(name: name, mode: "adm: words", digest: digest)
    }
    let published = identity("inception", "sha256:" + InceptionWeights.digest)
    #expect(FrechetDistance.title(published) == "FID (adm)")
    #expect(KernelDistance.title(published) == "KID (adm)")
    #expect(ClassifierScore.title(published) == "IS (adm)")
    let spatial = identity("inception-spatial", "sha256:" + InceptionWeights.digest)
    #expect(FrechetDistance.title(spatial) == "sFID (adm)")
    #expect(KernelDistance.title(spatial) == "Kernel distance on inception-spatial features")
    #expect(FrechetDistance.title(identity("inception", "sha256:00")) == "Fréchet distance on inception features")
    let tap = identity("inception-64", "sha256:" + InceptionWeights.digest)
    #expect(FrechetDistance.title(tap) == "Fréchet distance on inception-64 features")
    #expect(
      ClassifierScore.title(identity("other", InceptionWeights.digest)) == "Inception-style score on other features")
  }
}
