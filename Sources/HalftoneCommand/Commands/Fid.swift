import ArgumentParser
import Workbench

struct Fid: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Fréchet distance between two sets of images or their statistics.",
    discussion: """
      A and B are statistics files, folders or ZIP files of PNGs and JPEGs, run folders, samples or IDX files, in any mix. The result is \
      named after its feature extractor; only on features of the published Inception network is it FID.

      Examples:
        halftone fid outputs/w8a8 /usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz
        halftone fid outputs/w8a8 cifar10-train.npz --features inception=pt_inception-2015-12-05-6726825d.pth --mode clean
      """)

  @Argument(help: "First set.") var a: String
  @Argument(help: "Second set.") var b: String
  @OptionGroup var features: FeatureOptions
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var compute: ComputeOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    try FrechetCommand(
      first: a, second: b, options: features.scoring, json: json, threads: compute.threads, batch: compute.batch
    ).run(session(common))
  }
}
