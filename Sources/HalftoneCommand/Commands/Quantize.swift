import ArgumentParser
import Workbench

struct Quantize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a quantised model: one file that runs alone, in integers.",
    discussion: """
      Examples:
        halftone quantize fashion-mnist-ddpm --recipe halftone-w8a8 --out w8a8.safetensors
        halftone quantize fashion-mnist-ldm --recipe halftone-w8a8 --components all --guidance 1.5 --out ldm.safetensors
        halftone quantize fashion-mnist-ddpm --from outputs/demo/report.json --recipe rtn-w4a8 --fix 4
        halftone quantize path/to/ddpm-cifar10 --recipe my-recipe.yaml --calibration set.h5 --out cifar10.safetensors
      """)

  @Argument(help: "Float model.") var model: String
  @Option(
    help: ArgumentHelp(
      "Recipe of the denoiser, by name or path; with --from, which of the report's models.", valueName: "FILE|NAME"))
  var recipe: String?
  @Option(
    help:
      "What of a latent model is quantised: its denoiser (the default), its decoder, or all. The rest goes along as it is."
  )
  var components: QuantizeCommand.Components = .denoiser
  @Option(
    help: ArgumentHelp("Recipe of the decoder, by name or path (default: decoder-w8a8).", valueName: "FILE|NAME"))
  var decoderRecipe: String?
  @Option(
    help: ArgumentHelp(
      "Data of an analysed report: the recipe of the model that it is about, with --fix.", valueName: "report.json"))
  var from: String?
  @Option(
    help: ArgumentHelp("Leave the N layers in float that make most of the error in the report.", valueName: "N"))
  var fix: Int?
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
    if (from == nil) != (fix == nil) { throw ValidationError("--from and --fix need each other") }
    if recipe == nil, from == nil, components.includeDenoiser {
      throw ValidationError("give --recipe, which quantises the denoiser, or a report with --from and --fix")
    }
    if !components.includeDenoiser {
      let idle = [
        ("--recipe", recipe != nil), ("--from", from != nil), ("--calibration", calibration != nil),
        ("--effort", effort != nil),
        ("--time", time != nil),
      ]
      .filter(\.1).map(\.0)
      if !idle.isEmpty {
        throw ValidationError(
          "\(idle.joined(separator: ", ")): the denoiser is not quantised with --components decoder")
      }
    }
    if decoderRecipe != nil, !components.includeDecoder {
      throw ValidationError("--decoder-recipe needs --components decoder or all")
    }
    if effort != nil, time != nil { throw ValidationError("--time and --effort exclude each other") }
    if let fix, fix < 1 { throw ValidationError("--fix \(fix): expected 1 or more") }
  }

  private var choice: QuantizeCommand.RecipeChoice? {
    guard let from, let fix else { return recipe.map { .named($0) } }
    return .reported(ReportedRecipe(path: from, name: recipe, count: fix))
  }

  func run() throws {
    try QuantizeCommand(
      model: model, recipe: choice, components: components,
      decoderRecipe: decoderRecipe ?? DecoderQuantizer.standardRecipe, calibration: calibration,
      sampler: sampler.options, guidance: guidance.options,
      modelOptions: source.modelOptions,
      out: out, effort: effort ?? .balanced, time: time,
      threads: compute.threads, batch: compute.batch
    ).run(session(common))
  }
}

extension QuantizeCommand.Components: ExpressibleByArgument {}
