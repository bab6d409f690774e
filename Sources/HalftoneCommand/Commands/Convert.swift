import ArgumentParser
import Formats
import Workbench

struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a checkpoint as one safetensors file or a diffusers folder, or a folder with other element types.",
    discussion: """
      IN is a PyTorch checkpoint (.ckpt, .pt, .pth, .bin, of any age), a safetensors file, the index of several files, or a \
      diffusers folder. Names are written without the prefixes that training adds; EMA weights are taken where there are some. Every \
      value keeps its bits unless --dtype says otherwise, and what rounding changes is reported.

      Examples:
        halftone convert model-790000.ckpt --out unet.safetensors
        halftone convert model-790000.ckpt --layout diffusers --out ddpm-cifar10
        halftone convert pipeline --dtype f16 --out pipeline-f16
        halftone convert last.ckpt --weights raw --out raw.safetensors
      """)

  @Argument(help: ArgumentHelp("Checkpoint or diffusers folder.", valueName: "in")) var input: String
  @Option(help: ArgumentHelp("File or folder to write.", valueName: "out")) var out: String
  @Option(help: "What to write (default: diffusers for a folder, safetensors for a file).")
  var layout: ConvertCommand.Layout?
  @Option(help: "Type of floating-point values (default: what they are).") var dtype: ConvertCommand.Precision?
  @OptionGroup var source: SourceOptions
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var common: CommonOptions

  func run() throws {
    try ConvertCommand(
      input: input, out: out, layout: layout, precision: dtype, options: source.modelOptions, json: json
    ).run(session(common))
  }
}
