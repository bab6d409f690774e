import ArgumentParser
import Workbench

struct Score: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Several metrics between generated and reference images, in one pass.",
    discussion: """
      GENERATED and REFERENCE are what 'fid' takes, and .npz files with an array 'features' (images x dimension). Metrics: \
      \(ScoreMetric.allCases.map(\.rawValue).joined(separator: ", ")); from statistics files only the Fréchet distance can be \
      computed. Results are named after the feature extractor; docs/scoring.md defines them.

      Example:
        halftone score outputs/w8a8 outputs/float --metrics frechet,kid,precision-recall --intervals
      """)

  @Argument(help: "Generated images.") var generated: String
  @Argument(help: "Reference images.") var reference: String
  @Option(
    help: ArgumentHelp(
      "What to compute (default: \(ScoreMetric.standard.map(\.rawValue).joined(separator: ","))).", valueName: "M,…"))
  var metrics: MetricList?
  @OptionGroup var features: FeatureOptions
  @Option(help: ArgumentHelp("Random subsets of the kernel distance.", valueName: "N")) var kidSubsets: Int = 100
  @Option(help: ArgumentHelp("Images of each subset.", valueName: "N")) var kidSubsetSize: Int = 1000
  @Flag(
    help:
      "95 % intervals of all metrics, from what they are without each tenth of the images: up to twenty times the work."
  )
  var intervals = false
  @Option(help: ArgumentHelp("Seed of random subsets, splits and tenths.", valueName: "S")) var seed: UInt64 = 0
  @OptionGroup var shard: ShardOptions
  @Option(
    help: ArgumentHelp(
      "Where to write a page of the scores (default: GENERATED/score.html where that is a run folder, else none).",
      valueName: "score.html"))
  var report: String?
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var compute: ComputeOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if shard.shard != nil {
      let unused = [json ? "--json" : nil, report.map { _ in "--report" }].compactMap(\.self)
      if let option = unused.first {
        throw ValidationError("\(option) means nothing for one shard, which scores nothing")
      }
    }
    guard (1...100_000).contains(kidSubsets) else {
      throw ValidationError("--kid-subsets \(kidSubsets): expected 1 to 100000")
    }
    guard (2...100_000).contains(kidSubsetSize) else {
      throw ValidationError("--kid-subset-size \(kidSubsetSize): expected 2 to 100000")
    }
  }

  func run() throws {
    try ScoreCommand(
      generated: generated, reference: reference, metrics: metrics?.metrics, options: features.scoring,
      kernelSubsets: kidSubsets, kernelSubsetSize: kidSubsetSize, intervals: intervals, seed: seed,
      shard: try shard.resolved(), page: report,
      json: json,
      threads: compute.threads,
      batch: compute.batch
    ).run(session(common))
  }
}
