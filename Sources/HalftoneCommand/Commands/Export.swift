import ArgumentParser
import Formats
import Workbench

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a model for other programs: an ONNX graph, a diffusers folder, or arrays.",
    discussion: """
      onnx: one graph of the network. Of a quantised model weights are integers, and activations pass through QuantizeLinear and \
      DequantizeLinear with the model's scales; where tables depend on the sampling step, the step is an input. diffusers: the folder \
      of the network whose weights are the values that the codes stand for. npz: all codes, scales and zero points.

      Examples:
        halftone export fashion-mnist-ddpm --format onnx --out float.onnx
        halftone export w8a8.safetensors --format onnx --out w8a8.onnx
        halftone export w4a8.safetensors --format onnx --steps 0-9 --out start.onnx
        halftone export fashion-mnist-ldm --format onnx --component decoder --out decoder.onnx
        halftone export w4a8.safetensors --format npz --out codes.npz
      """)

  @Argument(help: "Float or quantised model.") var model: String
  @Option(help: "What to write.") var format: ExportCommand.Format
  @Option(help: ArgumentHelp("File or folder to write.", valueName: "out")) var out: String
  @Flag(help: "ONNX: integer weights and quantised activations (the default of quantised models).") var qdq = false
  @Flag(help: "ONNX: the values that codes stand for, activations as they are (the default of float models).")
  var float = false
  @Flag(help: "ONNX: a byte for every weight's code, also where codes fit four bits.") var byteWeights = false
  @Option(
    help: ArgumentHelp(
      "ONNX: the sampling steps that the file serves, from 0, in place of all; tables of a single step are constants.",
      valueName: "A-B"))
  var steps: StepRange?
  @Option(help: "ONNX and npz: a network of the first stage instead of the denoiser.") var component: StageSide?
  @Flag(
    help:
      "ONNX: draw the weights from a fixed seed; the model is a folder with its config.json. To time other runtimes on a network."
  )
  var randomWeights = false
  @OptionGroup var source: SourceOptions
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if qdq, float { throw ValidationError("--qdq and --float exclude each other") }
    let ofGraphs = [("--qdq", qdq), ("--float", float), ("--byte-weights", byteWeights), ("--steps", steps != nil)]
      .filter(\.1).map(\.0)
    if format != .onnx, let option = ofGraphs.first {
      throw ValidationError("\(option) belongs to --format onnx")
    }
    if randomWeights, format != .onnx || component != nil {
      throw ValidationError("--random-weights belongs to --format onnx, without --component")
    }
    if format == .diffusers, component != nil {
      throw ValidationError("--component belongs to --format onnx and npz")
    }
  }

  func run() throws {
    try ExportCommand(
      model: model, format: format, out: out, form: qdq ? .quantized : float ? .float : nil, steps: steps,
      wideWeights: byteWeights, component: component, randomWeights: randomWeights, modelOptions: source.modelOptions,
      json: json
    ).run(session(common))
  }
}
