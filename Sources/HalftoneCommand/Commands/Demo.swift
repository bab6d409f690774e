import ArgumentParser
import Workbench

struct Demo: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Quantise, sample and score the embedded models; ends with tables, grids and a report.",
    discussion: """
      The pixel model: Float, W8A8 and W4A8 by Halftone's recipes, W4A8 as TFMQ-DM has it, and W4A8 rounded to nearest, at \
      equal seeds. Then the latent model with guidance: Float, W8A8 and W4A8, its decoder in integers. Under ten minutes \
      on two cores; --quick, with few images and steps, under three.

      Example:
        halftone demo --quick
      """)

  @Flag(help: "Few images and steps: a check that everything runs, not of quality.") var quick = false
  @Option(help: ArgumentHelp("Run folder (default: outputs/demo, or outputs/demo-quick).", valueName: "DIR")) var out:
    String?
  @Flag(help: "Print the report as JSON.") var json = false
  @OptionGroup var compute: ComputeOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    try DemoCommand(isQuick: quick, out: out, threads: compute.threads, batch: compute.batch, json: json)
      .run(session(common))
  }
}
