import ArgumentParser
import Workbench

struct Fid: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Fréchet distance between two sets of images or their statistics.",
    discussion: """
      A and B are statistics files, folders of PNGs, run folders, samples or IDX files, in any mix. The result is named after \
      its feature extractor; only on Inception features would it be FID.

      Example:
        halftone fid outputs/w8a8 /usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz
      """)

  @Argument(help: "First set.") var a: String
  @Argument(help: "Second set.") var b: String
  @Option(
    help: ArgumentHelp("Feature extractor, as 'halftone list extractors' shows them.", valueName: "NAME[=WEIGHTS]"))
  var features: String?
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var compute: ComputeOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    try FrechetCommand(
      first: a, second: b, features: features, json: json, threads: compute.threads, batch: compute.batch
    ).run(session(common))
  }
}
