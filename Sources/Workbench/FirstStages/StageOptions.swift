import Formats
import Networks
import Tensors

/// What `decode` and `encode` are told about the first stage and how it runs.
package struct StageOptions: Sendable {
  package var model: String
  /// Configuration and weights of a checkpoint.
  package var source: ModelOptions
  package var executor: ExecutorKind?
  package var tile: TileArgument?
  package var out: String
  package var threads: Int
  package var batch: Int
  package var json: Bool

  package init(
    model: String, source: ModelOptions, executor: ExecutorKind?, tile: TileArgument?, out: String, threads: Int,
    batch: Int, json: Bool
  ) {
    self.model = model
    self.source = source
    self.executor = executor
    self.tile = tile
    self.out = out
    self.threads = threads
    self.batch = batch
    self.json = json
  }
}

/// One side of a first stage in a run folder of its own: what `decode` and `encode` have in common.
struct StageRun {
  let network: FirstStageNetwork
  let runner: FirstStageRunner
  let compute: Compute
  private let executor: ExecutorKind
  private let options: StageOptions

  /// - Throws: before any work, when the executor cannot run the network, or its memory does not fit.
  init(
    _ source: FirstStageSource, _ side: FirstStageSide, latent: SampleSize, options: StageOptions
  ) throws {
    network = try source.network(side)
    executor = options.executor ?? source.defaultExecutor
    try options.executor?.check(network.table.weights.isEmpty ? nil : network.table, path: source.path)
    compute = try Compute(threads: options.threads, batch: options.batch)
    runner = try FirstStageRunner(
      network, latent: latent, tile: options.tile, executor: executor, compute: compute)
    self.options = options
  }

  /// - Parameters: command: the command's name; input: what its results follow from beside the network.
  func folder(
    _ command: String, input: [(String, ConfigurationValue)], session: Session
  ) throws -> RunFolder {
    let latent = SampleSize(height: runner.latentShape.height, width: runner.latentShape.width)
    let common: [(String, ConfigurationValue)] = [
      (network.side.rawValue, .string(network.digest)), ("executor", .string(executor.rawValue)),
      ("instruction_set", executor.dependsOnInstructionSet ? .string(compute.kernels.name) : .null),
      ("tile", TileArgument.identity(options.tile, latent: latent)),
    ]
    return try RunFolder(
      options.out, command: command, identity: .map((common + input).map { .init($0.0, $0.1) }),
      arguments: session.arguments)
  }

  /// Writes report.json and says what was done.
  func report(
    _ outcome: ImageSampler.Outcome, count: Int, what: String, store: ImageStore, run: RunFolder, session: Session
  ) throws {
    let milliseconds = outcome.duration / .milliseconds(1)
    let report: ConfigurationValue = [
      "schema": 1, "\(network.side.rawValue)_digest": .string(network.digest), "count": .integer(count),
      "made": .integer(outcome.drawn), "kept": .integer(outcome.kept), "replaced": .integer(outcome.replaced),
      "shape": .list(store.shape.dims.map { .integer($0) }), "executor": .string(executor.rawValue),
      "instruction_set": .string(compute.kernels.name), "threads": .integer(compute.pool.threads),
      "batch": .integer(compute.batch), "tiles_per_image": .integer(runner.tileCount),
      "milliseconds_per_image": outcome.drawn > 0 ? .number(milliseconds / Double(outcome.drawn)) : .null,
    ]
    try AtomicFile.write(JSONWriter.pretty(report), to: run.file("report.json"))
    if options.json { return try session.console.result(json: report) }
    try session.console.result(
      "\(count) \(what) in \(store.folder) (\(outcome.drawn) made, \(outcome.kept) kept)")
  }
}
