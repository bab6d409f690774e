import ArgumentParser
import Workbench

struct Calibrate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Record a calibration set along a float model's sampling trajectories.",
    discussion: """
      One set serves every recipe with the same sampler and distribution. 'quantize' makes the set itself where it is given none.

      Example:
        halftone calibrate fashion-mnist-ddpm --recipe halftone-w8a8 --out set.h5

      A shard makes its units of the set in set.h5.units; 'halftone gather set.h5.units --out set.h5' makes the set of all units.
      """)

  @Argument(help: "Float model.") var model: String
  @Option(help: ArgumentHelp("Recipe by name or path.", valueName: "FILE|NAME")) var recipe: String
  @Option(
    help: ArgumentHelp("Where to write the set (default: outputs/MODEL-RECIPE.calibration.h5).", valueName: "set.h5"))
  var out: String?
  @OptionGroup var shard: ShardOptions
  @OptionGroup var sampler: RecipeSamplerOptions
  @OptionGroup var guidance: GuidanceArguments
  @OptionGroup var source: SourceOptions
  @OptionGroup var compute: ComputeOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    try CalibrateCommand(
      model: model, recipe: recipe, sampler: sampler.options, guidance: guidance.options,
      modelOptions: source.modelOptions, out: out, shard: try shard.resolved(), threads: compute.threads,
      batch: compute.batch
    ).run(session(common))
  }
}
