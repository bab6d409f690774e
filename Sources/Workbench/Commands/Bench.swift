import Formats
import Graphs
import Quantization
import Tensors

/// `bench`: speed of the float model and of quantised ones, side by side.
package struct BenchCommand: Sendable {
  package var model: String
  package var randomWeights: Bool
  /// Recipes, or files that `quantize` made.
  package var quantized: [String]
  package var modelOptions: ModelOptions
  package var batches: [Int]
  package var threads: [Int]
  package var rounds: Int
  package var showsWork: Bool
  /// Times gradients of the float model instead of predictions.
  package var timesGradients: Bool
  package var json: Bool
  /// Rounds are made when standard input asks for them.
  package var isDriven: Bool
  /// Fails the command when a quantised model is less than this many times as fast as float.
  package var requiredSpeedup: Double?

  package init(
    model: String, randomWeights: Bool, quantized: [String], modelOptions: ModelOptions, batches: [Int], threads: [Int],
    rounds: Int, showsWork: Bool, timesGradients: Bool, json: Bool, isDriven: Bool, requiredSpeedup: Double?
  ) {
    self.model = model
    self.randomWeights = randomWeights
    self.quantized = quantized
    self.modelOptions = modelOptions
    self.batches = batches
    self.threads = threads
    self.rounds = rounds
    self.showsWork = showsWork
    self.timesGradients = timesGradients
    self.json = json
    self.isDriven = isDriven
    self.requiredSpeedup = requiredSpeedup
  }

  /// - Returns: `gateFailed` when a quantised model misses the required speed-up.
  package func run(_ session: Session) throws -> ExitStatus {
    let float =
      randomWeights
      ? try ModelSource.random(model, modelOptions, seed: 0, assets: session.assets)
      : try session.open(model, modelOptions)
    if float.quantized != nil { throw ModelSourceError.needsFloat(path: float.path, command: "bench") }
    session.console.notes((try? float.schedule.notes) ?? [])
    if timesGradients {
      try showGradients(of: float, session)
      return .success
    }
    var variants = [ExecutorKind.float, .winograd].map {
      BenchmarkVariant(name: $0.rawValue, source: float, executor: $0)
    }
    for text in quantized { variants.append(try variant(text, of: float, session)) }
    if isDriven {
      try DrivenBenchmark(variants: variants).serve(session)
      return .success
    }
    let rows = try Benchmark(variants: variants, rounds: rounds).run(
      threads: threads, batches: batches, profiles: showsWork, session: session)
    let report = BenchmarkReport(
      model: float.name, rows: rows, rounds: rounds, kernels: try KernelTable.selected().name,
      peakMemory: Machine.peakMemory)
    try show(report, session)
    guard let requiredSpeedup else { return .success }
    return rows.allSatisfy { $0.executor != .integer || (report.speedup(of: $0) ?? .infinity) >= requiredSpeedup }
      ? .success : .gateFailed
  }

  private func variant(_ text: String, of float: ModelSource, _ session: Session) throws -> BenchmarkVariant {
    if text.hasSuffix(".safetensors") {
      let source = try session.open(text)
      try float.checkPair(with: source)
      return BenchmarkVariant(name: source.name, source: source)
    }
    // Speed does not depend on how good ranges and codes are, so the set is as small as the recipe allows.
    var prepared = try PreparedRecipe(text, for: float, assets: session.assets)
    var recipe = prepared.recipe
    recipe.calibration.trajectories = max(1, recipe.activations?.average?.batch ?? 1)
    recipe.reconstruction = nil
    prepared = try PreparedRecipe(name: prepared.name, recipe, for: float, assets: session.assets)
    let compute = try Compute(threads: threads.max() ?? 1, batch: 16)
    session.console.note(
      "quantising by \(prepared.name) on \(recipe.calibration.trajectories) trajectories, for its speed only")
    let calibrating = try CalibrationRun(source: float, prepared: prepared, compute: compute)
    let gatherer = try calibrating.gatherer()
    let set = try calibrating.makeInMemory(gathering: gatherer, session: session)
    let quantized = try Quantizer(source: float, prepared: prepared, compute: compute).quantized(
      set: set, gathered: gatherer, name: prepared.name, session: session)
    return BenchmarkVariant(
      name: prepared.name,
      source: try ModelSource(quantized, name: prepared.name, process: try float.process, graph: float.model.graph))
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
        + "\(Machine.current.processor), \(Machine.current.logicalCores) logical cores. Forward and backward: every result "
        + "kept, gradients of all parameters and of the image. Rate: multiplications per second; backward has twice as many."
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
