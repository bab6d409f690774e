import ArgumentParser
import Workbench

/// Computing is what is meant without a subcommand: `halftone stats PATH --out …`.
struct Stats: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compute, merge and convert feature statistics of sets of images.",
    discussion: """
      Examples:
        halftone stats outputs/w8a8 --out w8a8.npz
        halftone stats merge shard-*/stats.npz --indices 0-49999 --out all.npz
        halftone stats convert all.npz --format pytorch-fid --out fid-stats.npz
      """,
    subcommands: [Compute.self, Merge.self, Convert.self],
    defaultSubcommand: Compute.self)

  struct Compute: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Compute feature statistics of a set of images (what 'halftone stats PATH' does).",
      discussion: """
        PATH is a folder or ZIP file of PNGs and JPEGs, a run folder, samples in an .npz or .npy, or an IDX file (also gzipped). Images of a run \
        folder have the indices in their names, all others are numbered as they come; parts of one set with different \
        indices can be merged exactly.

        Example:
          halftone stats outputs/w8a8 --indices 0-24999 --out first-half.npz
          halftone stats outputs/w8a8 --out w8a8.npz --shard 3/64

        A shard computes the features of its images, in w8a8.npz.features or --keep-features; the same command without --shard finds \
        them there and writes the statistics.
        """)

    @Argument(help: "Set of images.") var path: String
    @OptionGroup var features: FeatureOptions
    @Option(help: ArgumentHelp("Only images with these indices, both included.", valueName: "A-B"))
    var indices: IndexRange?
    @Option(help: ArgumentHelp("Index of the first image, where names do not say it (default: 0).", valueName: "K"))
    var firstIndex: Int?
    @Option(help: ArgumentHelp("Where to write the statistics.", valueName: "stats.npz")) var out: String
    @Option(
      help: ArgumentHelp(
        "Where to write statistics of the spatial features, of --features inception.", valueName: "spatial.npz"))
    var spatialOut: String?
    @OptionGroup var shard: ShardOptions
    @OptionGroup var compute: ComputeOptions
    @OptionGroup var common: CommonOptions

    func validate() throws {
      guard (0..<IndexRange.limit).contains(firstIndex ?? 0) else {
        throw ValidationError("--first-index \(firstIndex ?? 0): expected 0 or more, and below 2^40")
      }
    }

    func run() throws {
      try StatsCommand(
        images: path, options: features.scoring, indices: indices?.bounds, firstIndex: firstIndex, out: out,
        spatialOut: spatialOut, shard: try shard.resolved(), threads: compute.threads, batch: compute.batch
      ).run(session(common))
    }
  }

  struct Merge: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Merge the statistics of a set's parts.",
      discussion: """
        The result has the same bits as statistics of all images at once. Images in two files are refused, and so are \
        missing ones: all from 0 to the largest index, or those of --indices, must be there.

        Example:
          halftone stats merge a.npz b.npz --indices 0-49999 --out all.npz
        """)

    @Argument(help: ArgumentHelp("Statistics files made by Halftone.", valueName: "stats.npz")) var parts: [String]
    @Option(help: ArgumentHelp("Indices that must be there, and no others.", valueName: "A-B")) var indices: IndexRange?
    @Flag(help: "Merge even if images are missing.") var allowGaps = false
    @Option(help: ArgumentHelp("Where to write the statistics.", valueName: "all.npz")) var out: String
    @OptionGroup var common: CommonOptions

    func run() throws {
      try StatsMergeCommand(parts: parts, expected: indices?.bounds, allowsGaps: allowGaps, out: out)
        .run(session(common))
    }
  }

  struct Convert: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Convert statistics between layouts.",
      discussion: """
        halftone: mean, covariance and exact sums (mergeable); pytorch-fid: mu and sigma; adm: mu, sigma, mu_s, sigma_s as \
        guided-diffusion's evaluator has them. Numbers keep their bits.

        Examples:
          halftone stats convert w8a8.npz --format pytorch-fid --out fid-stats.npz
          halftone stats outputs/w8a8 --features inception=WEIGHTS --mode adm --out pool.npz --spatial-out spatial.npz
          halftone stats convert pool.npz --spatial spatial.npz --format adm --out adm.npz
        """)

    @Argument(
      help: ArgumentHelp(
        "Statistics in any of the layouts, or an .npz with an array 'features' (images x dimension).",
        valueName: "stats.npz"))
    var input: String
    @Option(
      help: ArgumentHelp("Statistics of the same images' spatial features, for adm.", valueName: "spatial.npz"))
    var spatial: String?
    @Option(help: ArgumentHelp("Layout to write.")) var format: StatsConvertCommand.Format
    @Option(help: ArgumentHelp("Where to write it.", valueName: "out.npz")) var out: String
    @OptionGroup var common: CommonOptions

    func run() throws {
      try StatsConvertCommand(input: input, spatial: spatial, format: format, out: out).run(session(common))
    }
  }
}
