import ArgumentParser
import Workbench

struct Quantize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a quantised model: one file that runs alone, in integers.",
    discussion: """
      Examples:
        halftone quantize fashion-mnist-ddpm --recipe halftone-w8a8 --out w8a8.safetensors
        halftone quantize path/to/ddpm-cifar10 --recipe my-recipe.yaml --calibration set.h5 --out cifar10.safetensors
      """)

  @Argument(help: "Float model.") var model: String
  @Option(help: ArgumentHelp("Recipe by name or path.", valueName: "FILE|NAME")) var recipe: String
  @Option(
    help: ArgumentHelp(
      "Calibration set (default: made beside the output, and used again if it is there).", valueName: "set.h5"))
  var calibration: String?
  @Option(
    help: ArgumentHelp(
      "Where to write the model (default: outputs/MODEL-RECIPE.safetensors).", valueName: "model.safetensors"))
  var out: String?
  @Option(
    help:
      "How many samples and iterations: the recipe's (balanced, the default), fewer (fast), or as in the papers (paper)."
  )
  var effort: QuantizationEffort?
  @Option(
    help: ArgumentHelp(
      "In place of --effort: how long it may take; trajectories, samples and iterations are scaled to it.",
      valueName: "20m"))
  var time: WorkTime?
  @OptionGroup var sampler: RecipeSamplerOptions
  @OptionGroup var guidance: GuidanceArguments
  @OptionGroup var source: SourceOptions
  @OptionGroup var compute: ComputeOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if effort != nil, time != nil { throw ValidationError("--time and --effort exclude each other") }
  }

  func run() throws {
    try QuantizeCommand(
      model: model, recipe: recipe, calibration: calibration, sampler: sampler.options, guidance: guidance.options,
      modelOptions: source.modelOptions,
      out: out, effort: effort ?? .balanced, time: time,
      threads: compute.threads, batch: compute.batch
    ).run(session(common))
  }
}
