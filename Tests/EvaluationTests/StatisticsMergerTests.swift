import Evaluation
import Tensors
import TestSupport
import Testing

/// Parts of a run as one, and statistics in other programs' layouts.
@Suite struct StatisticsMergerTests {
  private let features = randomFeatures(90, 5, seed: 21)

  private func part(_ range: Range<Int>) throws -> FeatureAccumulator {
    try accumulated(features.rows(range), from: range.lowerBound)
  }

  @Test(arguments: [[0, 1, 2], [2, 0, 1], [1, 2, 0]])
  func anyOrderOfPartsGivesTheBitsOfOnePass(_ order: [Int]) throws {
    let ranges = [0..<1, 1..<64, 64..<90]
    var merger = StatisticsMerger()
    for position in order { try merger.add(part(ranges[position]), name: "part-\(position)") }
    let merged = try merger.merged(expecting: 0...89, allowsGaps: false)
    #expect(try merged == part(0..<90))
    #expect(try merged.archive().tensors == part(0..<90).archive().tensors)
  }

  /// Sums are integers: threads may share them.
  @Test func threadsDoNotChangeTheBits() throws {
    var accumulator = try part(0..<1)
    try accumulator.add(features.rows(1..<90), images: 1..<90, pool: WorkerPool(threads: 3))
    #expect(try accumulator == part(0..<90))
  }

  @Test func overlapsNameEveryPairOfFiles() throws {
    var merger = StatisticsMerger()
    try merger.add(part(0..<10), name: "a.npz")
    try merger.add(part(10..<20), name: "b.npz")
    let error = #expect(throws: EvaluationError.self) { try merger.add(part(8..<12), name: "c.npz") }
    #expect(
      error?.description == """
        error[E-STATS-OVERLAP]: images would be counted twice:
          a.npz and c.npz: 8-9
          b.npz and c.npz: 10-11
        hint: merge only statistics of disjoint image ranges
        """)
    #expect(error?.exit == .conflict)
    // Refused parts leave nothing behind.
    #expect(try merger.merged(expecting: nil, allowsGaps: false) == part(0..<20))
  }

  @Test func gapsAreNamed() throws {
    var merger = StatisticsMerger()
    try merger.add(part(10..<20), name: "a.npz")
    try merger.add(part(30..<31), name: "b.npz")
    func refusal(_ expected: ClosedRange<Int>?) -> String? {
      thrownError { _ = try merger.merged(expecting: expected, allowsGaps: false) }.map { "\($0)" }
    }
    let advice = "\nhint: add the missing files, or give --allow-gaps to merge what there is"
    #expect(refusal(nil) == "error[E-STATS-GAP]: images are missing: 0-9, 20-29" + advice)
    #expect(refusal(10...40) == "error[E-STATS-GAP]: images are missing: 20-29, 31-40" + advice)
    #expect(refusal(5...30) == "error[E-STATS-GAP]: images are missing: 5-9, 20-29" + advice)
    #expect(
      refusal(12...25) == """
        error[E-STATS-RANGE]: images outside 12-25: 10-11, 30
        hint: leave out the files that belong to another run, or correct --indices
        """)
    #expect(try merger.merged(expecting: 0...99, allowsGaps: true).images.count == 11)
  }

  @Test func partsOfOtherExtractorsAreRefused() throws {
    var merger = StatisticsMerger()
    try merger.add(part(0..<4), name: "a.npz")
    let other = FeatureExtractorIdentity(name: "other", mode: "none", digest: "00")
    var stranger = FeatureAccumulator(extractor: other, dimension: 5)
    try stranger.add(features.rows(4..<8), images: 4..<8)
    #expect(throws: EvaluationError.extractorsDiffer(testExtractor, other)) { try merger.add(stranger, name: "b.npz") }
  }

  // MARK: Other programs' layouts

  @Test func conversionKeepsTheBits() throws {
    let ours = try part(0..<90).archive()
    let (theirs, warnings) = try StatisticsFormat.pytorchFID.convert(ours, file: "a.npz")
    #expect(theirs.names == ["mu", "sigma"] && warnings.isEmpty)
    #expect(theirs.tensors["mu"] == ours.tensors["mu"] && theirs.tensors["sigma"] == ours.tensors["sigma"])
    #expect(try StatisticsFormat.halftone.convert(ours, file: "a.npz").archive.tensors == ours.tensors)
    let error = #expect(throws: EvaluationError.self) { try StatisticsFormat.halftone.convert(theirs, file: "b.npz") }
    #expect(
      error?.description == """
        error[E-STATS-EXACT]: b.npz: mean and covariance without the exact sums, which the format halftone needs
        hint: compute the statistics from the images: halftone stats PATH --out stats.npz
        """)
  }

  /// guided-diffusion's evaluator has means in Float and covariances in Double.
  @Test func spatialStatisticsAreCarriedOver() throws {
    var adm = TensorArchive(tensors: [
      "mu": StoredTensor(Tensor([2], [0.1, 2])), "sigma": StoredTensor(dims: [2, 2], [2, 1, 1, 2] as [Double]),
      "mu_s": StoredTensor(Tensor([1], [0.3])), "sigma_s": StoredTensor(dims: [1, 1], [0.5] as [Double]),
      "arr_0": StoredTensor(dims: [1], [0] as [UInt8]),
    ])
    let (converted, warnings) = try StatisticsFormat.adm.convert(adm, file: "ref.npz")
    #expect(converted.names == ["mu", "mu_s", "sigma", "sigma_s"] && warnings.isEmpty)
    #expect(converted.tensors["mu"] == StoredTensor(dims: [2], [Double(Float(0.1)), 2]))
    #expect(converted.tensors["mu_s"] == StoredTensor(dims: [1], [Double(Float(0.3))]))
    #expect(try StatisticsFormat.pytorchFID.convert(adm, file: "ref.npz").archive.names == ["mu", "sigma"])
    adm.tensors["sigma_s"] = StoredTensor(dims: [1, 1], [-0.5] as [Double])
    #expect(
      thrownError { _ = try StatisticsFormat.adm.convert(adm, file: "ref.npz") }.map { "\($0)" }
        == "error[E-STATS-PSD]: ref.npz, spatial features: sigma[0, 0] is -0.5: a variance is not negative")
    adm.tensors["mu_s"] = nil
    adm.tensors["sigma_s"] = nil
    #expect(
      try StatisticsFormat.adm.convert(adm, file: "ref.npz").warnings
        == [
          "ref.npz: no mu_s and sigma_s, which guided-diffusion's evaluator reads for sFID; --spatial names a file with them"
        ])
  }

  /// Statistics of the same images at two places of one network become one file of guided-diffusion's layout, and are read
  /// back from it to the bit.
  @Test func twoPlacesOfOneNetworkAreJoined() throws {
    func archive(_ name: String, _ digest: String, _ images: Range<Int>) throws -> TensorArchive {
      let identity = FeatureExtractorIdentity(name: name, mode: "adm: words", digest: digest)
      var sums = FeatureAccumulator(extractor: identity, dimension: 5)
      try sums.add(features.rows(images), images: images)
      return try sums.archive()
    }
    let (pool, spatial) = (try archive("inception", "00", 0..<50), try archive("inception-spatial", "00", 0..<50))
    let joined = try StatisticsFormat.adm.joining(pool, file: "pool.npz", spatial: spatial, file: "spatial.npz")
    let (adm, warnings) = try StatisticsFormat.adm.convert(joined, file: "pool.npz")
    #expect(adm.names == ["mu", "mu_s", "sigma", "sigma_s"] && warnings.isEmpty)
    #expect(adm.tensors["mu"] == pool.tensors["mu"] && adm.tensors["mu_s"] == spatial.tensors["mu"])
    #expect(adm.tensors["sigma_s"] == spatial.tensors["sigma"])
    let read = try #require(try FeatureStatistics.spatial(archive: adm, file: "adm.npz"))
    let original = try FeatureStatistics(archive: spatial, file: "spatial.npz")
    #expect(read.mean == original.mean && read.covariance == original.covariance)

    func refusal(_ other: TensorArchive) -> String? {
      thrownError { _ = try StatisticsFormat.adm.joining(pool, file: "pool.npz", spatial: other, file: "s.npz") }
        .map { "\($0)" }
    }
    #expect(
      try refusal(archive("inception-spatial", "00", 1..<50)) == """
        error[E-STATS-IMAGES]: pool.npz is of images 0-49, s.npz of 1-49
        hint: compute both in one pass: halftone stats PATH --out main.npz --spatial-out spatial.npz
        """)
    // Another program's file says only how many there are.
    let foreign = TensorArchive(tensors: [
      "mu": try #require(spatial.tensors["mu"]), "sigma": try #require(spatial.tensors["sigma"]),
      "n": StoredTensor(dims: [], [49] as [Int64]),
    ])
    #expect(refusal(foreign)?.hasPrefix("error[E-STATS-IMAGES]: pool.npz is of 50 images, s.npz of 49\n") == true)
    #expect(
      try refusal(archive("inception-spatial", "11", 0..<50)) == """
        error[E-STATS-EXTRACTOR]: the statistics come from different feature extractors:
          inception (adm: words; weights 00)
          inception-spatial (adm: words; weights 11)
        hint: compute both with one extractor: halftone stats PATH --features NAME
        """)
  }
}
