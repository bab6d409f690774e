import ArgumentParser
import Workbench

struct Decode: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make images of latents.",
    discussion: """
      LATENTS is a run folder of 'sample --latents-only' or 'encode', a folder of .npz files with an array x (C H W), or one .npz \
      whose x holds one latent or several (N C H W). Latents are in the units of the diffusion model, its scale included. The same \
      command continues an interrupted run.

      Examples:
        halftone sample path/to/ldm --latents-only --count 16 --out outputs/latents
        halftone decode outputs/latents --model path/to/ldm --out outputs/decoded
      """)

  @Argument(help: "Latents to decode.") var latents: String
  @OptionGroup var stage: FirstStageOptions
  @OptionGroup var common: CommonOptions

  func run() throws { try DecodeCommand(latents: latents, options: stage.options).run(session(common)) }
}
