import Evaluation
import Formats
import Tensors

/// `score`: several metrics of two sets of images in one pass over their features. Every result is called by its
/// extractor; on Inception features they would be FID, KID and IS.
package struct ScoreCommand: Sendable {
  package var generated: String
  package var reference: String
  /// nil: the standard ones, as far as the inputs allow.
  package var metrics: [ScoreMetric]?
  package var options: ScoringOptions
  package var subsets: KernelDistance.Subsets
  /// Whether scores get intervals that cost more than they do.
  package var intervals: Bool
  package var seed: UInt64
  /// The part of both sets whose features this process computes and keeps; nil: all, and the scores.
  package var shard: Shard?
  /// Where the page goes; nil: into the generated images' folder where that is a run of ours, else nowhere.
  package var page: String?
  package var json: Bool
  package var threads: Int
  package var batch: Int

  package init(
    generated: String, reference: String, metrics: [ScoreMetric]?, options: ScoringOptions, kernelSubsets: Int,
    kernelSubsetSize: Int, intervals: Bool, seed: UInt64, shard: Shard? = nil, page: String?, json: Bool, threads: Int,
    batch: Int
  ) {
    self.generated = generated
    self.reference = reference
    self.metrics = metrics
    self.options = options
    subsets = KernelDistance.Subsets(count: kernelSubsets, size: kernelSubsetSize)
    self.intervals = intervals
    self.seed = seed
    self.shard = shard
    self.page = page
    self.json = json
    self.threads = threads
    self.batch = batch
  }

  package func run(_ session: Session) throws {
    if shard != nil, options.keptFeatures == nil { throw ShardError.needsKeptFeatures }
    if let page {
      try OutputPlace.prepare(
        [page, ReportFile.dataPath(of: page)], inputs: [generated, reference, options.weights].compactMap(\.self))
    }
    let compute = try Compute(threads: threads, batch: batch)
    try OpenBLAS.requireMemory(threads: compute.pool.threads)
    let scoring = try FeatureScoring(options, session: session, compute: compute)
    let wanted = metrics ?? ScoreMetric.standard
    let spatial = wanted.contains(.spatialFrechet)
    if spatial && scoring.extractor.spatial == nil { throw ScoreError.noSpatial(path: scoring.definition.name) }
    if let shard { return try keep(features: shard, scoring, spatial: spatial, session) }
    func needs(_ metricNeeds: (ScoreMetric) -> Bool) -> ScoringNeeds {
      ScoringNeeds(
        features: wanted.contains { metricNeeds($0) || intervals && $0 == .frechet }, spatial: spatial,
        spatialFeatures: spatial && intervals)
    }
    let a = try scoring.scored(generated, needs { $0.needsFeatures.first }, session: session)
    let b = try scoring.scored(reference, needs { $0.needsFeatures.second }, session: session)
    let feasible = try feasible(wanted, a, b, session)
    var report = ScoreReport(a, b, seed: seed)
    for metric in feasible { try add(metric, to: &report, a, b, scoring, compute) }
    for warning in report.warnings { session.console.warn("\(warning)") }
    try writePage(report, session)
    if json { return try session.console.result(json: report.value) }
    try session.console.result((report.lines + [featureLine(a.statistics, b.statistics)]).joined(separator: "\n"))
  }

  /// Computes and keeps a shard's features of the sets that are images; the same command without a shard scores them.
  private func keep(features shard: Shard, _ scoring: FeatureScoring, spatial: Bool, _ session: Session) throws {
    for path in [generated, reference] {
      guard try StatisticsFiles.content(path) == nil else {
        session.console.note("note: \(path) has its features or statistics already")
        continue
      }
      let selection = try ImageSelection(scoring.images(path))
      try session.console.result(
        scoring.keep(shard, of: selection, indices: nil, spatial: spatial, name: path, session: session))
    }
  }

  /// What the page of a run's scores is called, and its data.
  static let pageName = "score.html"
  static let dataName = "score.json"

  /// One page of the scores, with some of the generated images.
  private func writePage(_ report: ScoreReport, _ session: Session) throws {
    let isRun = Folder.kind(of: joined(generated, RunFolder.recordName)) == .file
    guard let page = page ?? (isRun ? joined(generated, Self.pageName) : nil) else { return }
    var document = ReportDocument(
      title: "\(fileName(of: generated)) against \(fileName(of: reference))", commands: ["score"])
    document.scores = report.scores
    document.notes = report.warnings
    if let images = StoredImages(in: generated) {
      document.galleries =
        try GalleryMaker.gallery(fileName(of: generated), models: [("image", images)], notes: &document.notes).map {
          [$0]
        } ?? []
    }
    document.provenance = [
      .init(
        title: "score", command: session.command,
        facts: [
          .init("generated", generated), .init("reference", reference), .init("program", "halftone \(halftoneVersion)"),
        ])
    ]
    try ReportFile.write(document, recipes: [], own: report.value, page: page)
    session.console.note("report: \(page)")
  }

  /// The metrics that the inputs have enough for. - Throws: when one that was asked for by name is not among them.
  private func feasible(
    _ wanted: [ScoreMetric], _ a: ScoredSet, _ b: ScoredSet, _ session: Session
  ) throws -> [ScoreMetric] {
    let sides: [(set: ScoredSet, needs: (ScoreMetric) -> Bool)] = [
      (a, { $0.needsFeatures.first }), (b, { $0.needsFeatures.second }),
    ]
    for side in sides where side.set.features == nil {
      let impossible = wanted.filter(side.needs)
      if impossible.isEmpty { continue }
      let error = ScoreError.needsImages(path: side.set.path, metrics: impossible.map(\.rawValue))
      if metrics != nil { throw error }
      session.console.note("note: \(error.message)")
    }
    return wanted.filter { metric in sides.allSatisfy { $0.set.features != nil || !$0.needs(metric) } }
  }

  private func add(
    _ metric: ScoreMetric, to report: inout ScoreReport, _ a: ScoredSet, _ b: ScoredSet, _ scoring: FeatureScoring,
    _ compute: Compute
  ) throws {
    switch metric {
    case .frechet:
      try addFrechet(to: &report, a.statistics, a.features, b.statistics, b.features, compute, isSpatial: false)
    case .spatialFrechet:
      guard let first = a.spatial else { throw ScoreError.noSpatial(path: a.path) }
      guard let second = b.spatial else { throw ScoreError.noSpatial(path: b.path) }
      try addFrechet(
        to: &report, first, a.spatialFeatures, second, b.spatialFeatures, compute, isSpatial: true)
    case .frechetInfinity:
      guard let features = a.features else { return }
      let side = try FrechetSide(b.statistics, name: b.path)
      report.add(try FrechetExtrapolation.compute(generated: features, reference: side, seed: seed, pool: compute.pool))
    case .kernelDistance:
      guard let first = a.features, let second = b.features else { return }
      let size = min(subsets.size, first.count, second.count)
      try MemoryBudget.require(
        MemoryBudget.sum(
          MemoryBudget.product(16, subsets.count, size),
          MemoryBudget.product(8, compute.pool.threads, size, 2 * first.dimension + 512)),
        for: "\(subsets.count) subsets of \(size) images")
      let result = try KernelDistance.compute(first, second, subsets: subsets, seed: seed, pool: compute.pool)
      report.add(result, try intervals ? result.interval(first, second, seed: seed, pool: compute.pool) : nil)
    case .precisionRecall, .densityCoverage:
      guard let first = a.features, let second = b.features else { return }
      let scores =
        try report.manifold ?? ManifoldScores.compute(generated: first, reference: second, pool: compute.pool)
      let found =
        try !intervals
        ? nil
        : report.manifoldIntervals
          ?? scores.intervals(generated: first, reference: second, seed: seed, pool: compute.pool)
      report.add(scores, found, metric)
    case .classifierScore:
      guard let features = a.features else { return }
      guard a.isExtracted, let head = scoring.extractor.head else { throw ScoreError.noClassifier(path: a.path) }
      let isADM = options.mode == InceptionMode.adm.rawValue
      report.add(
        isADM
          ? try ClassifierScore.computeConsecutively(features, head: head)
          : try ClassifierScore.compute(features, head: head, seed: seed))
    }
  }

  /// A set's statistics may be those of more images than its features: then there is no interval for the choice of them.
  private func addFrechet(
    to report: inout ScoreReport, _ first: FeatureStatistics, _ firstFeatures: FeatureSet?,
    _ second: FeatureStatistics, _ secondFeatures: FeatureSet?, _ compute: Compute, isSpatial: Bool
  ) throws {
    guard intervals, let features = firstFeatures, features.count == first.count else {
      let distance = try FrechetDistance.compute(first, second, names: (generated, reference), pool: compute.pool)
      return report.add(distance, nil, spatial: isSpatial)
    }
    let sides = try FrechetDistance.sides(first, second, names: (generated, reference), pool: compute.pool)
    let other = secondFeatures?.count == second.count ? secondFeatures : nil
    let interval = try FrechetDistance.interval(
      sides, generated: features, reference: other, seed: seed, pool: compute.pool)
    report.add(try FrechetDistance.compute(sides.generated, sides.reference), interval, spatial: isSpatial)
  }
}
