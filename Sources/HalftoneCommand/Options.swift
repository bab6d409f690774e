import ArgumentParser
import Formats
import Foundation
import Tensors
import Workbench

/// Options that every command takes.
struct CommonOptions: ParsableArguments {
  @Flag(name: [.short, .long], help: "Print results and errors only.")
  var quiet = false
}

/// Options of commands that compute.
struct ThreadOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Threads to compute with (default: all processors).", valueName: "T"))
  var threads: Int = WorkerPool.processorCount

  func validate() throws {
    guard (1...1024).contains(threads) else { throw ValidationError("--threads \(threads): expected 1 to 1024") }
  }
}

/// Options of commands that sample.
struct ComputeOptions: ParsableArguments {
  @OptionGroup var threadOptions: ThreadOptions

  @Option(help: ArgumentHelp("Images per network call; changes memory and speed, never the images.", valueName: "B"))
  var batch: Int = 16

  var threads: Int { threadOptions.threads }

  func validate() throws {
    guard (1...4096).contains(batch) else { throw ValidationError("--batch \(batch): expected 1 to 4096") }
  }
}

/// Option of commands whose work several processes may share.
struct ShardOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Do part i of N of the work, counted from 0; or auto/N or auto, as a Slurm array, an indexed Kubernetes job or Open MPI says. "
        + "'halftone gather' makes a whole of the parts.", valueName: "i/N"))
  var shard: String?

  /// nil: all of the work.
  func resolved() throws(ShardError) -> Shard? {
    guard let shard else { return nil }
    return try Shard(shard, environment: ProcessInfo.processInfo.environment)
  }
}

/// Options of commands that turn images into features.
struct FeatureOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Feature extractor, as 'halftone list extractors' shows them.", valueName: "NAME[=WEIGHTS]"))
  var features: String?

  @Option(
    help: ArgumentHelp(
      "How pixels are prepared for Inception: \(ScoringOptions.modes.joined(separator: ", ")) (default: the "
        + "first).",
      valueName: "MODE"))
  var mode: String?

  @Flag(help: "Read images in folders of a set too.")
  var recursive = false

  @Option(
    help: ArgumentHelp(
      "Keep features in this folder: a stopped run goes on, and the next command finds them.", valueName: "DIR"))
  var keepFeatures: String?

  var scoring: ScoringOptions {
    ScoringOptions(features: features, mode: mode, recursive: recursive, keptFeatures: keepFeatures)
  }
}

/// Options of commands that read a float model.
struct SourceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Noise schedule of a float model whose folder names none, or another one.", valueName: "scheduler_config.json"))
  var scheduler: String?

  @Option(
    help: ArgumentHelp(
      "Curve of the betas, in place of the file's: linear, scaled_linear, cosine (squaredcos_cap_v2) or sigmoid. With it no "
        + "file is needed.", valueName: "CURVE"))
  var betaSchedule: ScheduleCurve?

  @Option(help: ArgumentHelp("First beta, in place of the file's (default: 0.0001).", valueName: "B"))
  var betaStart: Double?

  @Option(help: ArgumentHelp("Last beta, in place of the file's (default: 0.02).", valueName: "B"))
  var betaEnd: Double?

  @Option(help: ArgumentHelp("Training timesteps, in place of the file's (default: 1000).", valueName: "T"))
  var trainTimesteps: Int?

  @Option(
    help: ArgumentHelp(
      "What the network predicts, in place of the file's: epsilon, sample or v_prediction (default: epsilon).",
      valueName: "TYPE"))
  var predictionType: NetworkPrediction?

  @Flag(help: "The network counts time to 1000 whatever T is (improved-diffusion's rescale_timesteps).")
  var rescaleTimesteps = false

  @Option(
    help: ArgumentHelp(
      "Configuration of a checkpoint: DDIM's or CompVis's YAML, or OpenAI's flags as JSON or as a command line (default: the one "
        + "beside it).",
      valueName: "FILE"))
  var config: String?

  @Option(
    help: ArgumentHelp(
      "Size of images, where the configuration leaves it open or another is wanted.", valueName: "HxW"))
  var size: SizeArgument?

  @Option(help: ArgumentHelp("Attention heads of a checkpoint whose configuration is missing.", valueName: "N"))
  var heads: Int?

  @Option(help: ArgumentHelp("Channels of each attention head, instead of --heads.", valueName: "N"))
  var headChannels: Int?

  @Option(
    help: "How a checkpoint's fused attention layers order queries, keys and values (new: use_new_attention_order).")
  var qkvOrder: CheckpointQKVOrder?

  @Option(
    help: ArgumentHelp(
      "Row of a checkpoint's table of classes that stands for no class, for guidance (default: what its configuration says).",
      valueName: "ROW|none"))
  var unconditional: UnconditionalArgument?

  @OptionGroup var weights: WeightOptions

  func validate() throws {
    for (name, value) in [("--heads", heads), ("--head-channels", headChannels)] {
      if let value, !(1...65536).contains(value) { throw ValidationError("\(name) \(value): expected 1 to 65536") }
    }
    if heads != nil, headChannels != nil { throw ValidationError("--heads and --head-channels exclude each other") }
    for (option, beta) in [("--beta-start", betaStart), ("--beta-end", betaEnd)] {
      if let beta, !(beta > 0 && beta < 1) { throw ValidationError("\(option) \(beta): expected above 0 and below 1") }
    }
    let range = ScheduleOptions.timestepRange
    if let trainTimesteps, !range.contains(trainTimesteps) {
      throw ValidationError(
        "--train-timesteps \(trainTimesteps): expected \(range.lowerBound) to \(range.upperBound)")
    }
  }

  var modelOptions: ModelOptions {
    ModelOptions(
      schedule: ScheduleOptions(
        file: scheduler, curve: betaSchedule, start: betaStart, end: betaEnd, trainTimesteps: trainTimesteps,
        predictionType: predictionType, rescalesTimesteps: rescaleTimesteps),
      configuration: config, size: size, heads: heads, headChannels: headChannels, qkvOrder: qkvOrder,
      unconditional: unconditional,
      weights: weights.options)
  }
}

/// Option of commands that run a first stage.
struct TileOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Latents of the side of a tile that the first stage works on at once, or whole (default: 64). Tiles bound memory; they are "
        + "blended where they overlap, and images depend on their size.", valueName: "N|whole"))
  var tile: TileArgument?
}

/// Options of commands that run a first stage by itself.
struct FirstStageOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Model whose first stage to use, or a first stage by itself.", valueName: "MODEL"))
  var model: String
  @Option(help: ArgumentHelp("Run folder.", valueName: "DIR")) var out: String
  @Option(help: "What runs the network (default: integer where activations are quantised, winograd for others).")
  var executor: ExecutorKind?
  @OptionGroup var tiles: TileOptions
  @Option(help: ArgumentHelp("Configuration of a checkpoint (default: the one beside it).", valueName: "FILE"))
  var config: String?
  @OptionGroup var weights: WeightOptions
  @OptionGroup var compute: ComputeOptions
  @Flag(help: "Print the report as JSON.") var json = false

  var options: StageOptions {
    StageOptions(
      model: model, source: ModelOptions(configuration: config, weights: weights.options), executor: executor,
      tile: tiles.tile, out: out, threads: compute.threads, batch: compute.batch, json: json)
  }
}

/// Option of commands whose sampler may take another number of steps.
struct StepOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The sampler's settings with another number of steps.", valueName: "S"))
  var steps: Int?

  func validate() throws {
    let range = ScheduleOptions.timestepRange
    if let steps, !range.contains(steps) {
      throw ValidationError("--steps \(steps): expected \(range.lowerBound) to \(range.upperBound)")
    }
  }
}

/// Guidance of class-conditional models.
struct GuidanceArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Classifier-free guidance: eps_u + S (eps_c - eps_u) (default: what a quantised model was calibrated with, else 1).",
      valueName: "S"))
  var guidance: Double?
  @Option(
    help: ArgumentHelp(
      "How much of the guided prediction takes the conditional one's deviation, 0 to 1.", valueName: "PHI"))
  var guidanceRescale: Double?

  func validate() throws {
    let scales = GuidanceOptions.scales
    if let guidance, !scales.contains(guidance) {
      throw ValidationError("--guidance \(guidance): expected \(scales.lowerBound) to \(scales.upperBound)")
    }
    if let guidanceRescale, !(0...1).contains(guidanceRescale) {
      throw ValidationError("--guidance-rescale \(guidanceRescale): expected 0 to 1")
    }
  }

  var options: GuidanceOptions { GuidanceOptions(scale: guidance, rescale: guidanceRescale) }
}

/// Options of commands that take the sampler of a recipe.
struct RecipeSamplerOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Sampler in place of the recipe's: a preset by name or path, or own, the model's own settings.",
      valueName: "FILE|NAME"))
  var sampler: String?
  @OptionGroup var stepOptions: StepOptions

  var options: SamplerOptions { SamplerOptions(name: sampler, steps: stepOptions.steps) }
}

extension NetworkPrediction: ExpressibleByArgument {}

extension ScheduleCurve: ExpressibleByArgument {
  package init?(argument: String) {
    guard let found = ScheduleOptions.curve(named: argument) else { return nil }
    self = found
  }
}

/// Options of commands that read a checkpoint with several sets of weights.
struct WeightOptions: ParsableArguments {
  @Option(help: "Averaged weights or those that training works on (default: ema where there are some).")
  var weights: WeightChoice?

  @Option(
    help: ArgumentHelp(
      "Which of several files in a folder, as in diffusion_pytorch_model.fp16.safetensors.", valueName: "fp16"))
  var variant: String?

  var options: Checkpoint.Options { .init(weights: weights, variant: variant) }
}

extension QuantizationEffort: ExpressibleByArgument {}

extension WorkTime: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}

extension IndexRange: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}

extension GridShape: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}

extension LabelCycle: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}

extension CountList: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}

extension MetricList: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}

extension SizeArgument: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}

extension CheckpointQKVOrder: ExpressibleByArgument {}
extension ExecutorKind: ExpressibleByArgument {}
extension StageSide: ExpressibleByArgument {}

extension UnconditionalArgument: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}
extension TileArgument: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}

extension StatsConvertCommand.Format: ExpressibleByArgument {}
extension WeightChoice: ExpressibleByArgument {}
extension ConvertCommand.Layout: ExpressibleByArgument {}
extension ConvertCommand.Precision: ExpressibleByArgument {}
extension ExportCommand.Format: ExpressibleByArgument {}
extension Preview: ExpressibleByArgument {}
extension LayerOrder: ExpressibleByArgument {}
