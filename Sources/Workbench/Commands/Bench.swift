import Formats
import Graphs
import Platform
import Quantization
import Tensors

/// `bench`: speed of the float model and of quantised ones, side by side.
package struct BenchCommand: Sendable {
  package var model: String
  package var component: BenchmarkComponent
  package var randomWeights: Bool
  /// Recipes (of decoders, where these are timed), or files that `quantize` made.
  package var quantized: [String]
  package var modelOptions: ModelOptions
  package var batches: [Int]
  package var threads: [Int]
  package var rounds: Int
  /// Adds the float model in bfloat16.
  package var timesBFloat16: Bool
  package var showsWork: Bool
  /// Times gradients of the float model instead of predictions.
  package var timesGradients: Bool
  package var json: Bool
  /// Rounds are made when standard input asks for them.
  package var isDriven: Bool
  /// Times every kernel set that runs here but the base, which is for correctness alone.
  package var comparesKernels: Bool
  /// Fails the command when a quantised model is less than this many times as fast as float.
  package var requiredSpeedup: Double?

  package init(
    model: String, component: BenchmarkComponent, randomWeights: Bool, quantized: [String], modelOptions: ModelOptions,
    batches: [Int], threads: [Int],
    rounds: Int, timesBFloat16: Bool, showsWork: Bool, timesGradients: Bool, json: Bool, isDriven: Bool,
    comparesKernels: Bool,
    requiredSpeedup: Double?
  ) {
    self.model = model
    self.component = component
    self.randomWeights = randomWeights
    self.quantized = quantized
    self.modelOptions = modelOptions
    self.batches = batches
    self.threads = threads
    self.rounds = rounds
    self.timesBFloat16 = timesBFloat16
    self.showsWork = showsWork
    self.timesGradients = timesGradients
    self.json = json
    self.isDriven = isDriven
    self.comparesKernels = comparesKernels
    self.requiredSpeedup = requiredSpeedup
  }

  /// - Returns: `gateFailed` when a quantised model misses the required speed-up.
  package func run(_ session: Session) throws -> ExitStatus {
    let subjects = try subjects(session)
    if timesGradients, let float = subjects.denoiser {
      try showGradients(of: float, session)
      return .success
    }
    let variants =
      comparesKernels
      ? KernelTable.available().filter { $0.instructionSet != .base }.flatMap { kernels in
        subjects.variants.filter { $0.canRun(on: kernels) }.map { $0.running(on: kernels) }
      } : subjects.variants
    if isDriven {
      try DrivenBenchmark(variants: variants).serve(session)
      return .success
    }
    let rows = try Benchmark(variants: variants, rounds: rounds).run(
      threads: threads, batches: batches, profiles: showsWork, session: session)
    let report = BenchmarkReport(
      model: subjects.name, rows: rows, rounds: rounds, peakMemory: ProcessMemory.peak)
    try show(report, session)
    guard let requiredSpeedup else { return .success }
    return rows.allSatisfy { !$0.isQuantized || (report.speedup(of: $0) ?? .infinity) >= requiredSpeedup }
      ? .success : .gateFailed
  }

  private func subjects(_ session: Session) throws -> BenchmarkSubjects {
    let most = threads.max() ?? 1
    let floats: [ExecutorKind] = [.float, .winograd] + (timesBFloat16 ? [.bf16] : [])
    switch component {
    case .denoiser:
      let float =
        randomWeights
        ? try ModelSource.random(model, modelOptions, seed: 0, for: "bench", assets: session.assets)
        : try session.open(model, modelOptions)
      return try BenchmarkSubjects(denoiser: float, in: floats, quantized: quantized, threads: most, session: session)
    case .decoder:
      let idle = modelOptions.given.filter { $0 != "--size" }
      if randomWeights {
        try ModelSourceError.refuse(
          idle, model, "of a first stage with drawn weights its config.json alone is read")
      }
      return try BenchmarkSubjects(
        decoderOf: randomWeights
          ? FirstStageSource.unread(model, assets: session.assets) : session.openFirstStage(model, modelOptions),
        in: floats, quantized: quantized, size: modelOptions.size, threads: most, session: session)
    }
  }

  private func showGradients(of float: ModelSource, _ session: Session) throws {
    let rows = try GradientBenchmark(source: float, rounds: rounds).run(
      threads: threads, batches: batches, session: session)
    if json {
      return try session.console.result(
        json: [
          "schema": 1, "model": .string(float.name), "rounds": .integer(rounds),
          "gradients": GradientBenchmark.value(of: rows),
        ])
    }
    try session.console.result(
      GradientBenchmark.table(of: rows).markdown
        + "\n\n\(float.name): medians of \(rounds) interleaved rounds, \(try KernelTable.selected().name) kernels, "
        + "\(Machine.current.processor), \(Machine.current.logicalCores) logical cores. Forward: what "
        + "backward reads is held. Backward: gradients of all parameters and of the image. Rate: multiplications per second; backward has twice as many."
    )
  }

  private func show(_ report: BenchmarkReport, _ session: Session) throws {
    if json { return try session.console.result(json: report.value) }
    try session.console.result(report.table.markdown + "\n\n" + report.legend)
    for row in report.rows where !row.work.isEmpty {
      try session.console.result(
        "\n\(row.variant), \(row.threads) threads, batch \(row.batch):\n\n" + report.workTable(of: row).markdown)
    }
  }
}
