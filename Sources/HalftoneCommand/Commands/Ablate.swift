import ArgumentParser
import Workbench

struct Ablate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compare recipes on one model, in one table.",
    discussion: """
      Quantises the model by every recipe, draws images at equal seeds and reports bytes, time and memory of quantising, \
      epsilon SNR at every step, PSNR and SSIM to the float model's images, the Fréchet distance with its spread over \
      seeds, and milliseconds per image. Calibration sets, artefacts and images that are in the folder and still fit are \
      used again: an interrupted run goes on, and a recipe or seed may be added.

      Presets: tfmq, the parts of TFMQ-DM (recipe tfmq-w4a8 with and without them); ptq4dm, PTQ4DM's calibration sets and
      range metrics (changes of recipe ptq4dm-w8a8).

      A shard makes the artefacts of some recipes and draws some of all images; the same command without --shard measures them.

      Example:
        halftone ablate fashion-mnist-ddpm --recipes rtn-w4a8,halftone-w4a8 --count 500 --seeds 3
      """)

  @Argument(help: "Float model.") var model: String
  @Option(help: ArgumentHelp("Recipes by name or path, or all: every shipped one.", valueName: "A,B,…"))
  var recipes: String?
  @Option(help: ArgumentHelp("A paper's ablation instead of --recipes.", valueName: "NAME")) var preset: String?
  @OptionGroup var sampler: RecipeSamplerOptions
  @OptionGroup var guidance: GuidanceArguments
  @Option(
    help: ArgumentHelp(
      "Quantise the decoders of a latent model's variants, too, by this recipe, such as decoder-w8a8.",
      valueName: "FILE|NAME"))
  var decoderRecipe: String?
  @Option(
    help: "How many samples and iterations: the recipes' (balanced), fewer (fast), or as in the papers (paper).")
  var effort: QuantizationEffort = .balanced
  @Option(help: ArgumentHelp("Images per recipe and seed.", valueName: "N")) var count: Int = 500
  @Option(help: ArgumentHelp("Number of seeds: 0, 1, ….", valueName: "K")) var seeds: Int = 3
  @Option(help: ArgumentHelp("Images whose steps are compared one by one.", valueName: "N")) var stepImages: Int = 16
  @Option(
    help: ArgumentHelp(
      "Images or statistics that distances are measured to (default: of the embedded model, its test images).",
      valueName: "PATH"))
  var reference: String?
  @Option(help: ArgumentHelp("Run folder (default: outputs/ablate-MODEL-PRESET).", valueName: "DIR")) var out: String?
  @OptionGroup var shard: ShardOptions
  @OptionGroup var source: SourceOptions
  @Flag(help: "Print the report as JSON.") var json = false
  @OptionGroup var compute: ComputeOptions
  @OptionGroup var common: CommonOptions

  /// Interleaved turns of each network that its time is the median of.
  private static let timingRounds = 9

  func validate() throws {
    if shard.shard != nil, json { throw ValidationError("--json means nothing for one shard, which measures nothing") }
    guard (1...IndexRange.limit).contains(count) else {
      throw ValidationError("--count \(count): expected 1 to \(IndexRange.limit)")
    }
    guard (1...1000).contains(seeds) else { throw ValidationError("--seeds \(seeds): expected 1 to 1000") }
    guard (1...65536).contains(stepImages) else {
      throw ValidationError("--step-images \(stepImages): expected 1 to 65536")
    }
  }

  func run() throws {
    try AblateCommand(
      model: model, recipes: recipes?.split(separator: ",").map(String.init) ?? [], preset: preset,
      sampler: sampler.options, guidance: guidance.options, decoderRecipe: decoderRecipe,
      effort: effort,
      size: .init(
        images: count, seeds: (0..<seeds).map { UInt64($0) }, comparedImages: stepImages,
        timingRounds: Self.timingRounds),
      reference: reference, modelOptions: source.modelOptions, out: out, shard: try shard.resolved(),
      threads: compute.threads,
      batch: compute.batch, json: json
    ).run(session(common))
  }
}
