import ArgumentParser
import Workbench

struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compare a quantised model with its float model at equal seeds.",
    discussion: """
      Reports PSNR, SSIM and a perceptual distance image by image, the worst first, and at every sampling step the \
      signal-to-noise ratio of the quantised model's noise prediction on the float model's own states, and how far the two \
      trajectories have drifted apart. Writes a grid with float rows above quantised rows.

      Example:
        halftone compare fashion-mnist-ddpm w4a8.safetensors --count 32
      """)

  @Argument(help: "Float model.") var model: String
  @Argument(help: "Model quantised from it.") var quantised: String
  @Option(help: ArgumentHelp("Preset by name or path (default: the quantised model's own).", valueName: "FILE|NAME"))
  var sampler: String?
  @OptionGroup var steps: StepOptions
  @Option(help: ArgumentHelp("Number of images.", valueName: "N")) var count: Int = 16
  @Option(help: ArgumentHelp("Seed of the noise.", valueName: "S")) var seed: UInt64 = 0
  @Option(help: ArgumentHelp("Classes, as for 'sample'.", valueName: "L,…")) var labels: LabelCycle?
  @Option(help: ArgumentHelp("Run folder (default: outputs/compare-MODEL-QUANTISED-seedS).", valueName: "DIR"))
  var out: String?
  @Option(
    help: ArgumentHelp("Extractor of the perceptual distance, as for 'fid'.", valueName: "NAME[=WEIGHTS]"))
  var features: String?
  @Option(help: ArgumentHelp("How it prepares pixels, as for 'fid'.", valueName: "MODE")) var mode: String?
  @OptionGroup var guidance: GuidanceArguments
  @OptionGroup var source: SourceOptions
  @Option(
    defaultAsFlag: .auto,
    help: ArgumentHelp(
      "Show the grid on the terminal, as it can, or as kitty, iterm2, sixel or half blocks.", valueName: "auto|…"))
  var preview: Preview?
  @Flag(help: "Print the report as JSON.") var json = false
  @OptionGroup var compute: ComputeOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if preview != nil, json { throw ValidationError("--preview and --json exclude each other") }
    guard (1...IndexRange.limit).contains(count) else {
      throw ValidationError("--count \(count): expected 1 to \(IndexRange.limit)")
    }
  }

  func run() throws {
    try CompareCommand(
      float: model, quantized: quantised, sampler: SamplerOptions(name: sampler, steps: steps.steps),
      images: 0...(count - 1), seed: seed, labels: labels, guidance: guidance.options,
      modelOptions: source.modelOptions, out: out, options: ScoringOptions(features: features, mode: mode),
      threads: compute.threads, batch: compute.batch, preview: preview, json: json
    ).run(session(common))
  }
}
