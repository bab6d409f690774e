import ArgumentParser
import Workbench

struct Stats: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compute feature statistics of a set of images.",
    discussion: """
      PATH is a folder of PNGs, a run folder, samples in an .npz or .npy, or an IDX file (also gzipped).

      Example:
        halftone stats outputs/w8a8 --out w8a8.npz
      """)

  @Argument(help: "Set of images.") var path: String
  @Option(help: ArgumentHelp("Feature extractor, as 'halftone list extractors' shows them.", valueName: "NAME"))
  var features: String?
  @Option(help: ArgumentHelp("Where to write the statistics.", valueName: "stats.npz")) var out: String
  @OptionGroup var compute: ComputeOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    try StatsCommand(images: path, features: features, out: out, threads: compute.threads, batch: compute.batch)
      .run(session(common))
  }
}
