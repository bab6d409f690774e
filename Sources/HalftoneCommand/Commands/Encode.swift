import ArgumentParser
import Workbench

struct Encode: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make latents of images.",
    discussion: """
      IMAGES is a folder of PNGs or JPEGs of one size, a run folder, samples in an .npz or .npy, or an IDX file. Latents are written \
      as latents/000123/123456.npz, in the units of the diffusion model, its scale included. The same command continues an \
      interrupted run.

      Example:
        halftone encode photos --model path/to/ldm --out outputs/latents
      """)

  @Argument(help: "Images to encode.") var images: String
  @OptionGroup var stage: FirstStageOptions
  @Option(
    help: ArgumentHelp(
      "Draw latents from the encoder's distributions with this seed (default: take the likeliest).", valueName: "S"))
  var seed: UInt64?
  @Flag(help: "Read images in folders of a set too.") var recursive = false
  @OptionGroup var common: CommonOptions

  func run() throws {
    try EncodeCommand(images: images, options: stage.options, seed: seed, recursive: recursive).run(session(common))
  }
}
