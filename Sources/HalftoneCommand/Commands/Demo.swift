import ArgumentParser
import Workbench

struct Demo: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Quantise, sample and score the embedded model; ends with a table.",
    discussion: """
      Float, W8A8 and W4A8 with TFMQ's per-step ranges, and W4A8 rounded to nearest, at equal seeds. Under ten minutes on \
      two cores; --quick, with few images and steps, under two.

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
