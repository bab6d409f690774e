import ArgumentParser
import Tensors
import Workbench

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a model is made of and what runs how; or what a file or folder is.",
    discussion: """
      Examples:
        halftone inspect fashion-mnist-ddpm
        halftone inspect w4a8.safetensors --self-test
        halftone inspect outputs/demo
        halftone inspect --cpu
      """)

  @Argument(help: "Float or quantised model, run folder, statistics or calibration set.") var model: String?
  @Flag(help: "Show the processor, the kernels it can run and those that run.") var cpu = false
  @Flag(help: "Repeat the call stored in a quantised model; exit status 1 when the result differs.") var selfTest =
    false
  @OptionGroup var source: SourceOptions
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if model == nil, !cpu { throw ValidationError("give a model, or --cpu") }
    if model == nil, selfTest { throw ValidationError("--self-test needs a model") }
  }

  func run() throws {
    let status = try InspectCommand(
      model: model, modelOptions: source.modelOptions, showsProcessor: cpu, selfTests: selfTest, json: json,
      threads: threads.threads
    ).run(session(common))
    if status == .gateFailed { throw GateFailed() }
  }
}
