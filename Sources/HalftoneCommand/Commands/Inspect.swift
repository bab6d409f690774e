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
        halftone inspect w4a8.safetensors --layers --sort macs
        halftone inspect w4a8.safetensors --graph network.html
        halftone inspect outputs/demo
        halftone inspect --cpu
      """)

  @Argument(help: "Float or quantised model, run folder, statistics or calibration set.") var model: String?
  @Flag(help: "Show the processor, the kernels it can run and those that run.") var cpu = false
  @Flag(help: "Repeat the call stored in a quantised model; exit status 1 when the result differs.") var selfTest =
    false
  @Flag(help: "Show one row for each layer and attention product instead.") var layers = false
  @Option(help: "Order of --layers: as they run, by name, or the largest first (bits: of weights).") var sort:
    LayerOrder?
  @Option(
    help: ArgumentHelp(
      "Write the network's graph instead, as a page, for Graphviz or as JSON.", valueName: "FILE.html|.dot|.json"))
  var graph: String?
  @OptionGroup var source: SourceOptions
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if model == nil, !cpu { throw ValidationError("give a model, or --cpu") }
    let views = [("--layers", layers), ("--graph", graph != nil), ("--self-test", selfTest)].filter(\.1).map(\.0)
    if views.count > 1 { throw ValidationError("\(views[0]) and \(views[1]) exclude each other") }
    if let view = views.first, model == nil { throw ValidationError("\(view) needs a model") }
    if sort != nil, !layers { throw ValidationError("--sort orders the rows of --layers") }
    if model == nil, let option = source.modelOptions.given.first { throw ValidationError("\(option) needs a model") }
  }

  func run() throws {
    let status = try InspectCommand(
      model: model, modelOptions: source.modelOptions, showsProcessor: cpu, selfTests: selfTest,
      layers: layers ? sort ?? .execution : nil, graph: graph, json: json,
      threads: threads.threads
    ).run(session(common))
    if status == .gateFailed { throw GateFailed() }
  }
}
