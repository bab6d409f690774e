import ArgumentParser
import Workbench

struct Sample: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw images from a model.",
    discussion: """
      Image k depends on model, sampler, seed and k alone: not on how many are drawn, in what batches, on how many \
      threads, or whether the run was interrupted. The same command continues an interrupted run; more images extend it.

      Examples:
        halftone sample fashion-mnist-ddpm
        halftone sample w8a8.safetensors --indices 0-49999 --seed 1 --out outputs/w8a8 --npz
        halftone sample path/to/ddpm-cifar10 --sampler ddpm-1000 --count 16 --grid 4x4
        halftone sample w8a8.safetensors --count 50000 --out run --shard 3/64
      """)

  @Argument(help: "Float or quantised model.") var model: String

  @Option(
    help: ArgumentHelp(
      "Preset by name or path, or own: of a quantised model its own, of a float model 50 DDIM steps with the settings of its "
        + "scheduler_config.json (default: own, or ddim-50 without such a file).", valueName: "FILE|NAME"))
  var sampler: String?
  @OptionGroup var steps: StepOptions

  @Option(help: ArgumentHelp("Number of images, from image 0 on (default: 64).", valueName: "N"))
  var count: Int?

  @Option(help: ArgumentHelp("Draw images A to B, both included.", valueName: "A-B"))
  var indices: IndexRange?

  @Option(help: ArgumentHelp("Seed of the noise.", valueName: "S"))
  var seed: UInt64 = 0

  @Option(
    help: ArgumentHelp(
      "Classes, as in 0,3,7: image k gets the label at k modulo their number (default: all in turn).", valueName: "L,…")
  )
  var labels: LabelCycle?

  @Option(help: "What runs the network (default: integer where activations are quantised, winograd for others).")
  var executor: ExecutorKind?

  @OptionGroup var compute: ComputeOptions

  @Option(help: ArgumentHelp("Run folder (default: outputs/MODEL-SAMPLER-STEPS-seedS).", valueName: "DIR"))
  var out: String?

  @Flag(help: "Also write samples.npz: arr_0, N H W C, unsigned bytes.") var npz = false

  @Flag(help: "Keep the samples of a latent model, as latents/000123/123456.npz, instead of decoding them.")
  var latentsOnly = false

  @OptionGroup var tiles: TileOptions

  @Option(
    help: ArgumentHelp("Rows and columns of grid.png (default: nearly square, at most 100 images).", valueName: "RxC"))
  var grid: GridShape?

  @Option(help: ArgumentHelp("Take x_T of image k from row k of the array x_T (N C H W).", valueName: "x_T.npz"))
  var initialNoise: String?

  @OptionGroup var shard: ShardOptions
  @OptionGroup var guidance: GuidanceArguments
  @OptionGroup var source: SourceOptions
  @Option(
    defaultAsFlag: .auto,
    help: ArgumentHelp(
      "Show the grid on the terminal, as it can, or as kitty, iterm2, sixel or half blocks.", valueName: "auto|…"))
  var preview: Preview?
  @Flag(help: "Print the report as JSON.") var json = false
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if preview != nil, json { throw ValidationError("--preview and --json exclude each other") }
    if latentsOnly, tiles.tile != nil {
      throw ValidationError("--latents-only decodes nothing, so --tile means nothing")
    }
    if count != nil, indices != nil { throw ValidationError("--count and --indices exclude each other") }
    if let count, !(1...IndexRange.limit).contains(count) {
      throw ValidationError("--count \(count): expected 1 to \(IndexRange.limit)")
    }
  }

  func run() throws { try command().run(session(common)) }

  /// What the arguments ask for.
  func command() throws -> SampleCommand {
    let images = indices?.bounds ?? 0...((count ?? 64) - 1)
    return SampleCommand(
      model: model, sampler: SamplerOptions(name: sampler, steps: steps.steps), images: images, seed: seed,
      labels: labels, executor: executor,
      modelOptions: source.modelOptions, initialNoise: initialNoise, out: out, writesArray: npz,
      latentsOnly: latentsOnly, tile: tiles.tile, guidance: guidance.options, grid: grid, shard: try shard.resolved(),
      threads: compute.threads, batch: compute.batch, preview: preview, json: json)
  }
}
