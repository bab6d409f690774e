import Evaluation
import Tensors
import Testing

@Suite struct StatisticsArchiveTests {
  private func archive(count: Int = 40, dimension: Int = 3) throws -> TensorArchive {
    try accumulated(randomFeatures(count, dimension, seed: 4)).archive()
  }

  /// The error's text after replacing entries of a good file; nil removes one.
  private func refusal(_ changes: [(String, StoredTensor?)], of archive: TensorArchive) -> EvaluationError? {
    var archive = archive
    for (name, value) in changes { archive.tensors[name] = value }
    do {
      _ = try FeatureStatistics(archive: archive, file: "s.npz")
      return nil
    } catch { return error }
  }

  @Test func aFileHoldsTheAccumulatorExactly() throws {
    var whole = try accumulated(randomFeatures(40, 3, seed: 4), from: 100)
    let read = try FeatureStatistics(archive: whole.archive(), file: "s.npz")
    #expect(read.exact == whole && read.count == 40 && read.extractor == testExtractor)
    #expect(try read.mean == whole.statistics().mean && read.covariance == whole.statistics().covariance)
    // What was read can be merged on.
    let rest = randomFeatures(5, 3, seed: 6)
    var resumed = try #require(read.exact)
    try resumed.add(rest, images: 0..<5)
    try whole.add(rest, images: 0..<5)
    #expect(resumed == whole)
  }

  @Test func entriesAreWhatTheFormatSays() throws {
    let archive = try accumulated(Tensor([2, 2], [1, -1, 3, 1])).archive()
    #expect(
      archive.names == [
        "extractor", "extractor_digest", "extractor_mode", "fraction_bits", "halftone_schema", "images", "mu", "n",
        "products", "rounded_to_zero", "sigma", "sums",
      ])
    #expect(archive.tensors["mu"] == StoredTensor(dims: [2], [2, 0] as [Double]))
    #expect(archive.tensors["sigma"] == StoredTensor(dims: [2, 2], [2, 2, 2, 2] as [Double]))
    #expect(archive.tensors["n"] == StoredTensor(dims: [], [2] as [Int64]))
    #expect(archive.tensors["images"] == StoredTensor(dims: [1], [3] as [UInt8]))
    #expect(archive.tensors["extractor"] == StoredTensor(dims: [13], Array("test-features".utf8)))
    // 4 * 2^24 and 0; squares 10, products -1 + 3 = 2, squares 2, times 2^48: low limb, then high limb.
    #expect(archive.tensors["sums"] == StoredTensor(dims: [2, 2], [1 << 26, 0, 0, 0] as [Int64]))
    #expect(
      archive.tensors["products"] == StoredTensor(dims: [3, 2], [10 << 48, 0, 2 << 48, 0, 2 << 48, 0] as [Int64]))
  }

  /// Sums beyond 64 bits and below zero keep their sign over the two limbs.
  @Test func limbsHoldLargeNegativeSums() throws {
    let accumulator = try accumulated(Tensor([2, 2], [-8_000_000, 8_000_000, -8_000_000, 8_000_000]))
    let read = try FeatureStatistics(archive: accumulator.archive(), file: "s.npz")
    #expect(read.exact == accumulator)
    let high = try #require(accumulator.archive().tensors["products"]?.integers(Int64.self))
    #expect(high[3] < 0 && high[1] > 0)
  }

  @Test func otherProgramsFilesNeedOnlyMeanAndCovariance() throws {
    var foreign = TensorArchive(tensors: [
      "mu": StoredTensor(dims: [2], [1, 2] as [Double]),
      "sigma": StoredTensor(dims: [2, 2], [2, 1, 1, 2] as [Double]),
      "mu_s": StoredTensor(dims: [1], [0] as [UInt8]),
    ])
    let read = try FeatureStatistics(archive: foreign, file: "inception.npz")
    #expect(read.count == nil && read.extractor == nil && read.exact == nil && read.mean == [1, 2])
    #expect(
      read.warnings(name: "inception.npz") == [
        "inception.npz: the number of images is unknown", "inception.npz: the feature extractor is unknown",
      ])
    foreign.tensors["n"] = StoredTensor(dims: [1], [500] as [Int64])
    #expect(try FeatureStatistics(archive: foreign, file: "inception.npz").count == 500)
  }

  @Test func smallAsymmetryFromRoundingIsAveraged() throws {
    let sigma = StoredTensor(dims: [2, 2], [1, 0.5, 0.5 + 0x1p-40, 1] as [Double])
    let foreign = TensorArchive(tensors: ["mu": StoredTensor(dims: [2], [0, 0] as [Double]), "sigma": sigma])
    let read = try FeatureStatistics(archive: foreign, file: "x.npz")
    #expect(read.covariance.values == [1, 0.5 + 0x1p-41, 0.5 + 0x1p-41, 1])
  }

  private static let malformed: [(String, StoredTensor?, String)] = [
    ("mu", nil, "error[E-STATS-MISSING]: s.npz: mu is missing"),
    (
      "mu", StoredTensor(Tensor([3])), "error[E-STATS-TYPE]: s.npz: mu has element type F32, expected F64"
    ),
    (
      "mu", StoredTensor(dims: [1, 3], [0, 0, 0] as [Double]),
      "error[E-STATS-SHAPE]: s.npz: mu has shape [1, 3], expected [d] with 1 to 16384 features"
    ),
    (
      "mu", StoredTensor(dims: [0], [] as [Double]),
      "error[E-STATS-SHAPE]: s.npz: mu has shape [0], expected [d] with 1 to 16384 features"
    ),
    (
      "mu", StoredTensor(dims: [3], [0, .nan, 0] as [Double]),
      "error[E-STATS-NONFINITE]: s.npz: mu[1] is nan"
    ),
    (
      "sigma", StoredTensor(dims: [9], [Double](repeating: 1, count: 9)),
      "error[E-STATS-SHAPE]: s.npz: sigma has shape [9], expected [3, 3] to fit mu"
    ),
    (
      "sigma", StoredTensor(dims: [3, 3], [1, 0, 0, 0, 1, -.infinity, 0, 0, 1] as [Double]),
      "error[E-STATS-NONFINITE]: s.npz: sigma[1, 2] is -inf"
    ),
    (
      "sigma", StoredTensor(dims: [3, 3], [1, 0.5, 0, 0.25, 1, 0, 0, 0, 1] as [Double]),
      "error[E-STATS-ASYMMETRIC]: s.npz: sigma is not symmetric: [0, 1] is 0.5, [1, 0] is 0.25"
    ),
    (
      "sigma", StoredTensor(dims: [3, 3], [1, 0, 0, 0, -1, 0, 0, 0, 1] as [Double]),
      "error[E-STATS-PSD]: s.npz: sigma[1, 1] is -1.0: a variance is not negative"
    ),
    (
      "sigma", StoredTensor(dims: [3, 3], [1, 0, 0, 0, 1, 1.5, 0, 1.5, 2] as [Double]),
      "error[E-STATS-PSD]: s.npz: sigma[1, 2] is 1.5: larger than its two variances allow"
    ),
    (
      "sigma", StoredTensor(dims: [3, 3], [1, 0, 0, 0, 1, 0, 0, 0, 1] as [Double]),
      "error[E-STATS-SUMS]: s.npz: sigma[0, 0] is 1.0, but the exact sums give "
    ),
    ("n", nil, "error[E-STATS-MISSING]: s.npz: n is missing"),
    (
      "n", StoredTensor(dims: [], [1] as [Int64]),
      "error[E-STATS-COUNT]: s.npz: n is 1; a covariance needs at least 2 images"
    ),
    (
      "n", StoredTensor(dims: [], [41] as [Int64]),
      "error[E-STATS-COUNT]: s.npz: n is 41, but images holds 40 indices"
    ),
    (
      "n", StoredTensor(dims: [2], [40, 40] as [Int64]),
      "error[E-STATS-SHAPE]: s.npz: n has shape [2], expected one number"
    ),
    (
      "halftone_schema", StoredTensor(dims: [], [2] as [Int64]),
      "error[E-STATS-SCHEMA]: s.npz: schema 2, this version reads 1"
    ),
    (
      "extractor", StoredTensor(dims: [2], [0xc3, 0x28] as [UInt8]),
      "error[E-STATS-TEXT]: s.npz: extractor is not UTF-8 text of 1 to 4096 bytes"
    ),
    (
      "fraction_bits", StoredTensor(dims: [], [20] as [Int64]),
      "error[E-STATS-GRID]: s.npz: fraction_bits is 20, this version sums on a grid of 2^-24"
    ),
    (
      "rounded_to_zero", StoredTensor(dims: [], [121] as [Int64]),
      "error[E-STATS-SUMS]: s.npz: rounded_to_zero is 121, of 120 features"
    ),
    (
      "sums", StoredTensor(dims: [3, 2], [0, .max, 0, 0, 0, 0] as [Int64]),
      "error[E-STATS-SUMS]: s.npz: sums[0] is larger than 40 images can give"
    ),
    (
      "products", StoredTensor(dims: [6, 2], [0, 0, 0, .min, 0, 0, 0, 0, 0, 0, 0, 0] as [Int64]),
      "error[E-STATS-SUMS]: s.npz: products[1] is larger than 40 images can give"
    ),
    (
      "products", StoredTensor(dims: [5, 2], [Int64](repeating: 0, count: 10)),
      "error[E-STATS-SHAPE]: s.npz: products has shape [5, 2], expected [6, 2] to fit mu"
    ),
  ]

  @Test(arguments: malformed.indices)
  func malformedEntriesAreNamed(_ index: Int) throws {
    let (entry, value, text) = Self.malformed[index]
    let error = try #require(refusal([(entry, value)], of: archive()))
    #expect(error.description.hasPrefix(text), "\(error)")
    #expect(error.exit == .refusedInput)
  }

  @Test func allProblemsAreReportedTogether() throws {
    let error = try #require(
      refusal([("n", nil), ("sigma", nil), ("sums", nil), ("extractor", nil)], of: archive()))
    #expect(
      error.description == """
        error[E-STATS-MISSING]: s.npz: n is missing
          sigma is missing
          extractor is missing
          sums is missing
        """)
  }

  /// Numbers nobody wrote by accident: each single limb at its extremes is refused or read, and never traps.
  @Test func hostileSumsNeverTrap() throws {
    let good = try archive(count: 3, dimension: 2)
    for name in ["sums", "products", "n", "rounded_to_zero", "fraction_bits", "halftone_schema"] {
      let stored = try #require(good.tensors[name])
      let values = try #require(stored.integers(Int64.self))
      for position in values.indices {
        for extreme in [Int64.min, -1, 0, 1, Int64.max] {
          var changed = values
          changed[position] = extreme
          if changed == values { continue }
          #expect(
            refusal([(name, StoredTensor(dims: stored.dims, changed))], of: good) != nil || name == "rounded_to_zero")
        }
      }
    }
  }
}
