import ArgumentParser
import Tensors
import Workbench

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Time a float model and quantised ones side by side.",
    discussion: """
      Models take turns, each call stands between two measurements of the machine's peak rate, and figures are medians of
      the calls that nothing disturbed. Compare ratios of one run, not figures of two.

      Examples:
        halftone bench fashion-mnist-ddpm --quantized rtn-w8a8
        halftone bench fashion-mnist-ldm --component decoder --quantized decoder-w8a8
        halftone bench Benchmarks/cifar10-ddpm --random-weights --quantized rtn-w8a8 --batch 1,8 --threads 1,2 --ops
      """)

  @Argument(
    help:
      "Float model; with --random-weights, a folder with its config.json, or a checkpoint whose values are not used.")
  var model: String
  @Option(help: "Which network of the model: its denoiser (the default), or a latent model's decoder.")
  var component: BenchmarkComponent = .denoiser
  @Flag(help: "Draw the weights from a fixed seed instead of reading them.") var randomWeights = false
  @Option(
    help: ArgumentHelp("Recipe, or a file that 'quantize' made from MODEL; may be repeated.", valueName: "RECIPE|FILE"))
  var quantized: [String] = []
  @OptionGroup var source: SourceOptions
  @Option(help: ArgumentHelp("Images per call, a list.", valueName: "B,B,…")) var batch = CountList([1, 8])
  @Option(help: ArgumentHelp("Threads, a list (default: all processors).", valueName: "T,T,…"))
  var threads = CountList([WorkerPool.processorCount])
  @Option(name: .customLong("repeat"), help: ArgumentHelp("Rounds.", valueName: "R")) var rounds: Int = 15
  @Flag(help: "Show where the time goes, by kind of work.") var ops = false
  @Flag(help: "Also time the float model with --executor bf16.") var bf16 = false
  @Flag(help: "Time gradients of the float model, as reconstruction forms them, instead.") var gradients = false
  @Flag(
    name: .customLong("compare-isa"),
    help: "Time the kernels of every instruction set that runs here (but base, which is for correctness alone).")
  var compareISA = false
  @Option(
    help: ArgumentHelp("Exit status 1 when a quantised model is less than X times as fast as float.", valueName: "X"))
  var requireSpeedup: Double?
  @Flag(help: "Print JSON instead of Markdown.") var json = false
  @Flag(
    help: "Make one round for every line 'THREADS BATCH' on standard input and answer with its times as JSON.")
  var driven = false
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard (1...10_000).contains(rounds) else { throw ValidationError("--repeat \(rounds): expected 1 to 10000") }
    if let bad = batch.counts.first(where: { !(1...4096).contains($0) }) {
      throw ValidationError("--batch \(bad): expected 1 to 4096")
    }
    if let bad = threads.counts.first(where: { !(1...1024).contains($0) }) {
      throw ValidationError("--threads \(bad): expected 1 to 1024")
    }
    if let requireSpeedup, !(requireSpeedup > 0 && requireSpeedup.isFinite) {
      throw ValidationError("--require-speedup \(requireSpeedup): expected a positive number")
    }
    if gradients, !quantized.isEmpty || ops || driven || component != .denoiser {
      throw ValidationError("--gradients takes neither --quantized nor --ops nor --driven, and times denoisers only")
    }
    if gradients, bf16 { throw ValidationError("--gradients does not go with --bf16") }
    if compareISA, gradients || driven {
      throw ValidationError("--compare-isa goes with neither --gradients nor --driven")
    }
    if requireSpeedup != nil, quantized.isEmpty { throw ValidationError("--require-speedup needs --quantized") }
  }

  func run() throws {
    let status = try BenchCommand(
      model: model, component: component, randomWeights: randomWeights, quantized: quantized,
      modelOptions: source.modelOptions,
      batches: batch.counts, threads: threads.counts, rounds: rounds, timesBFloat16: bf16,
      showsWork: ops,
      timesGradients: gradients, json: json, isDriven: driven, comparesKernels: compareISA,
      requiredSpeedup: requireSpeedup
    ).run(session(common))
    if status == .gateFailed { throw GateFailed() }
  }
}

extension BenchmarkComponent: ExpressibleByArgument {}
