import ArgumentParser
import Workbench

struct Gather: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make one run of the parts that shards drew.",
    discussion: """
      FOLDER is what 'sample --shard' wrote: one folder that all shards shared, or several, whose images --out then brings together. \
      Every image is read; missing, unexpected, damaged and contradictory ones are named, and nothing is left before all are there. \
      The digest that is printed is the same for the same images, whoever drew them.

      Examples:
        halftone gather run --count 50000 --stats run.npz
        halftone gather part-0 part-1 --count 50000 --out run
      """)

  @Argument(help: "Run folders of one run's shards.") var folder: [String]
  @Option(
    help: ArgumentHelp("Images that must be there, from image 0 on (default: up to the last one).", valueName: "N"))
  var count: Int?
  @Option(help: ArgumentHelp("Images that must be there, both included, and no others.", valueName: "A-B"))
  var indices: IndexRange?
  @Option(help: ArgumentHelp("Run folder for the images of several folders.", valueName: "DIR")) var out: String?
  @Option(
    help: ArgumentHelp("Rows and columns of grid.png (default: nearly square, at most 100 images).", valueName: "RxC"))
  var grid: GridShape?
  @Flag(help: "Also write samples.npz: arr_0, N H W C, unsigned bytes.") var npz = false
  @Option(
    help: ArgumentHelp(
      "Write statistics of the images' features too, from what 'stats --shard' kept.", valueName: "stats.npz"))
  var stats: String?
  @OptionGroup var features: FeatureOptions
  @Flag(help: "Print the report as JSON.") var json = false
  @OptionGroup var compute: ComputeOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if count != nil, indices != nil { throw ValidationError("--count and --indices exclude each other") }
    if let count, !(1...IndexRange.limit).contains(count) {
      throw ValidationError("--count \(count): expected 1 to \(IndexRange.limit)")
    }
  }

  func run() throws {
    try GatherCommand(
      folders: folder, expected: indices?.bounds ?? count.map { 0...($0 - 1) }, out: out, grid: grid, writesArray: npz,
      statistics: stats, options: features.scoring, threads: compute.threads, batch: compute.batch, json: json
    ).run(session(common))
  }
}
