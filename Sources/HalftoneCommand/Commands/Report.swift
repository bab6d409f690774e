import ArgumentParser
import Workbench

struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a page of what runs and quantised models have to show.",
    discussion: """
      RUN is a folder that compare, ablate, demo or sample has left, or a quantised model. The page is one HTML file that needs no \
      network and no scripts; the same content stands beside it as JSON.

      Examples:
        halftone report outputs/demo
        halftone report w4a8.safetensors --analyse
      """)

  @Argument(help: ArgumentHelp("Run folders and quantised models.", valueName: "run")) var runs: [String]
  @Option(
    help: ArgumentHelp(
      "Where to write the page (default: RUN/report.html, or MODEL.report.html beside a model).",
      valueName: "report.html"))
  var out: String?
  @Flag(
    help: "Measure which layers make the error, on a few images and steps; says first how long that takes.")
  var analyse = false
  @Option(
    help: ArgumentHelp(
      "Float model that --analyse compares with (default: the one that the quantised model names).", valueName: "MODEL")
  )
  var model: String?
  @OptionGroup var source: SourceOptions
  @OptionGroup var compute: ComputeOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if runs.isEmpty { throw ValidationError("name at least one run folder or quantised model") }
    if model != nil, !analyse { throw ValidationError("--model needs --analyse, which compares with it") }
    if model == nil, !source.modelOptions.given.isEmpty {
      throw ValidationError(
        "\(source.modelOptions.given.joined(separator: ", ")): needs --model, whose options these are")
    }
  }

  func run() throws {
    try ReportCommand(
      runs: runs, out: out, analyses: analyse, model: model, modelOptions: source.modelOptions,
      threads: compute.threads, batch: compute.batch
    ).run(session(common))
  }
}
