import Evaluation
import Formats
import Tensors
import TestSupport
import Testing

/// Metrics against torch-fidelity's, pytorch-fid's and scikit-image's figures of equal features and images (Tests/Fixtures/scores).
@Suite struct ScoreGoldenTests {
  private struct Golden {
    let archive: TensorArchive
    init() throws { archive = try NPZ.read(Fixtures.path("scores/scores.npz")) }

    func doubles(_ name: String) throws -> [Double] { try #require(archive.tensors[name]).doubles() }
    func features(_ name: String) throws -> FeatureSet {
      try FeatureSet(#require(archive.tensors[name]?.floats()), extractor: testExtractor)
    }
  }

  private let golden: Golden
  private let pool = WorkerPool(threads: 2)

  init() throws { golden = try Golden() }

  private func relative(_ found: Double, _ expected: Double) -> Double { abs(found - expected) / abs(expected) }

  @Test func frechetDistanceAgrees() throws {
    func statistics(_ name: String) throws -> FeatureStatistics {
      try accumulated(#require(golden.archive.tensors[name]?.floats())).statistics()
    }
    let distance = try FrechetDistance.compute(statistics("a"), statistics("b")).distance
    // pytorch-fid works in Double throughout; torch-fidelity's eigenvalues differ from it in the ninth digit.
    #expect(try relative(distance, golden.doubles("fid_pytorch_fid")[0]) < 1e-6)
    #expect(try relative(distance, golden.doubles("fid_torch_fidelity")[0]) < 1e-6)
  }

  @Test func kernelDistanceAgrees() throws {
    let stored = try #require(golden.archive.tensors["kid_choices"])
    let positions = try #require(stored.integers(Int64.self)).map(Int.init)
    let (subsets, size) = (stored.dims[0], stored.dims[2])
    let choices = (0..<subsets).map { subset in
      let start = subset * 2 * size
      return (
        first: Array(positions[start..<(start + size)]), second: Array(positions[(start + size)..<(start + 2 * size)])
      )
    }
    let result = try KernelDistance.compute(golden.features("a"), golden.features("b"), choices: choices, pool: pool)
    let expected = try golden.doubles("kid")
    #expect(relative(result.mean, expected[0]) < 1e-9 && relative(result.deviation, expected[1]) < 1e-9)
    #expect(result.subsets == KernelDistance.Subsets(count: 8, size: 60))
  }

  @Test func precisionRecallDensityAndCoverageAgree() throws {
    let scores = try ManifoldScores.compute(
      generated: golden.features("a"), reference: golden.features("b"), pool: pool)
    let (first, second) = (try golden.doubles("precision_recall"), try golden.doubles("density_coverage"))
    // Counts over 150, 130 and 5 * 150: equal counts give quotients that differ by a rounding at most.
    #expect(abs(scores.precision - first[0]) < 1e-12 && abs(scores.recall - first[1]) < 1e-12)
    #expect(abs(scores.density - second[0]) < 1e-12 && abs(scores.coverage - second[1]) < 1e-12)
    #expect(
      scores.warnings == [
        "precision, recall, density, coverage: 150 and 130 images; they depend on both numbers, so compare only figures with the same",
        "precision, recall, density, coverage: 130 images are few; published figures use 10000 and more",
      ])
  }

  @Test func classifierScoreAgrees() throws {
    let head = ClassifierHead(weight: try #require(golden.archive.tensors["head"]?.floats()), bias: nil)
    let order = try #require(golden.archive.tensors["is_order"]?.integers(Int64.self)).map(Int.init)
    let result = try ClassifierScore.compute(golden.features("a"), head: head, splits: 5, order: order)
    let expected = try golden.doubles("is")
    #expect(relative(result.mean, expected[0]) < 1e-9 && relative(result.deviation, expected[1]) < 1e-9)
  }

  @Test(arguments: ["grey", "colour"])
  func structuralSimilarityAgrees(_ kind: String) throws {
    let first = try #require(golden.archive.tensors[kind + "_first"])
    let second = try #require(golden.archive.tensors[kind + "_second"])
    let shape = ImageShape(channels: first.dims[3], height: first.dims[1], width: first.dims[2])
    let expected = try golden.doubles(kind + "_ssim")
    var comparison = PairedComparison(shape: shape)
    for image in 0..<first.dims[0] {
      let part = (image * shape.count)..<((image + 1) * shape.count)
      try comparison.add(reference: Array(first.bytes[part]), other: Array(second.bytes[part]))
      #expect(abs(comparison.similarities[image] - expected[image]) < 1e-9)
    }
    // The deviation grows from image to image.
    #expect(comparison.worstFirst == Array((0..<first.dims[0]).reversed()))
  }
}
