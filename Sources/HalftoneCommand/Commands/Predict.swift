import ArgumentParser
import Tensors
import Workbench

struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Call the network once on arrays from a file.",
    discussion: """
      Reads x (N C H W), t (N) and, for conditional models, labels (N) or context (N tokens width); writes y. The tool for comparing with other \
      programs. With --component it calls a first stage's network in that network's own units, without the scale of latents: x is \
      what it decodes or encodes; the y of an encoder holds means and log variances where it gives distributions.

      Example:
        halftone predict fashion-mnist-ddpm --input io.npz --out y.npz --executor reference
      """)

  @Argument(help: "Float or quantised model.") var model: String
  @Option(help: ArgumentHelp("Arrays to call the network on.", valueName: "in.npz")) var input: String
  @Option(help: ArgumentHelp("Where to write y.", valueName: "out.npz")) var out: String
  @Option(help: "A network of the first stage instead of the denoiser.") var component: StageSide?
  @Option(help: "What runs the network (default: integer where activations are quantised, winograd for others).")
  var executor: ExecutorKind?
  @Option(help: ArgumentHelp("Sampling step whose quantisers to use, from 0.", valueName: "K")) var step: Int?
  @OptionGroup var source: SourceOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    try PredictCommand(
      model: model, input: input, out: out, component: component, executor: executor, step: step,
      modelOptions: source.modelOptions,
      threads: threads.threads
    ).run(session(common))
  }
}
