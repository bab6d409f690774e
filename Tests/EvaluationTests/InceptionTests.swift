import Evaluation
import Formats
import Models
import Tensors
import TestSupport
import Testing

/// The FID network against pytorch-fid and torch-fidelity, with weights that are a formula of names and indices
/// (Tests/Fixtures/inception/make_inception.py).
@Suite struct InceptionTests {
  /// Weights as pytorch-fid's file has them, for a graph of folded ones.
  private static let weights: TensorArchive = {
    var out = TensorArchive()
    for parameter in InceptionV3.graph(.logits).parameters {
      guard parameter.name.hasSuffix(".conv.bias") else {
        out.tensors[parameter.name] = StoredTensor(tensor(parameter.name, parameter.dims))
        continue
      }
      let unit = parameter.name.dropLast(".conv.bias".count)
      for name in ["weight", "bias", "running_mean", "running_var"] {
        out.tensors["\(unit).bn.\(name)"] = StoredTensor(tensor("\(unit).bn.\(name)", parameter.dims))
      }
      out.tensors["\(unit).bn.num_batches_tracked"] = StoredTensor(dims: [], [0] as [Int64])
    }
    return out
  }()

  private static func tensor(_ name: String, _ dims: [Int]) -> Tensor {
    let seed = name.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    let count = dims.reduce(1, *)
    let isVariance = name.hasSuffix("bn.weight") || name.hasSuffix("running_var")
    let isShift = name.hasSuffix("bias") || name.hasSuffix("running_mean")
    let range = (6 / Double(dims.dropFirst().reduce(1, *))).squareRoot()
    return Tensor(
      dims,
      (0..<count).map { index in
        var z = seed &+ UInt64(index)
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        let u = Double((z ^ (z >> 31)) >> 40) * 0x1p-24
        return Float(isVariance ? 0.9 + 0.2 * u : isShift ? 0.1 * (2 * u - 1) : (2 * u - 1) * range)
      })
  }

  private static func load(_ type: any FeatureExtractor.Type) throws -> any FeatureExtractor {
    try type.init(weights: weights, digest: "formula") { try FloatExecutor($0) }
  }

  private let golden: TensorArchive
  private let shape = ImageShape(channels: 3, height: 40, width: 33)
  init() throws { golden = try NPZ.read(Fixtures.path("inception/inception.npz")) }

  @Test(arguments: ["pytorch_fid", "torch_fidelity"])
  func featuresAgree(_ program: String) throws {
    let extractor = try Self.load(program == "pytorch_fid" ? Inception.self : InceptionTorchFidelity.self)
    let pixels = try #require(golden.tensors["images"]).bytes
    let features = try extractor.features(of: pixels, shape: shape)
    #expect(features.dims == [2, 2048])
    #expect(try relativeError(features, #require(golden.tensors[program]?.floats())) <= 1e-4)
    // An image's features do not depend on its batch.
    let second = try extractor.features(of: Array(pixels.suffix(shape.count)), shape: shape)
    #expect(second == features.rows(1..<2))
    guard program == "torch_fidelity" else { return }
    // Logits without bias, from the head.
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
    #expect(try relativeError(logits, #require(golden.tensors["logits_unbiased"]?.floats()).values) <= 1e-4)
  }

  /// Grey images are three equal channels.
  @Test func greyImagesAreRepeated() throws {
    let extractor = try Self.load(Inception.self)
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
      try Inception(weights: weights, digest: "formula") { try FloatExecutor($0) }
    }
    let problems = try #require(error?.problems.map { "\($0)" })
    #expect(problems.count == 5)
    #expect(error?.message.contains("missing: Mixed_6b.branch7x7_2.conv.bias [128]") == true)
    #expect(error?.message.contains("unexpected: Mixed_6b.branch7x7_2.bn.running_mean [128]") == true)
    #expect(error?.message.contains("fc.bias: expected shape [1008], found [1000]") == true)
  }

  /// A Fréchet distance is called FID with the published weights only.
  @Test func onlyThePublishedWeightsMakeFID() {
    func title(_ name: String, _ digest: String) -> String {
      FrechetDistance.title(FeatureExtractorIdentity(name: name, mode: "m", digest: digest))
    }
    #expect(title("inception", "sha256:" + InceptionWeights.digest) == "FID (inception)")
    #expect(
      title("inception-torch-fidelity", "sha256:" + InceptionWeights.digest) == "FID (inception-torch-fidelity)")
    #expect(title("inception", "sha256:00") == "Fréchet distance on inception features")
    #expect(
      title("other", "sha256:" + InceptionWeights.digest) == "Fréchet distance on other features")
  }
}
