import Diffusion
import Formats
import Graphs
import Tensors

/// `sample`: draws images into a run folder.
package struct SampleCommand: Sendable {
  package var model: String
  package var sampler: SamplerOptions
  package var images: ClosedRange<Int>
  package var seed: UInt64
  package var labels: LabelCycle?
  package var executor: ExecutorKind?
  package var modelOptions: ModelOptions
  package var initialNoise: String?
  package var out: String?
  package var writesArray: Bool
  /// Keeps the samples of a latent model instead of decoding them.
  package var latentsOnly: Bool
  package var tile: TileArgument?
  package var guidance: GuidanceOptions
  package var grid: GridShape?
  /// The part of the images that this process draws; nil: all.
  package var shard: Shard?
  package var threads: Int
  package var batch: Int
  /// Shows the grid on the terminal; nil: no.
  package var preview: Preview?
  package var json: Bool

  package init(
    model: String, sampler: SamplerOptions, images: ClosedRange<Int>, seed: UInt64, labels: LabelCycle?,
    executor: ExecutorKind?, modelOptions: ModelOptions, initialNoise: String?, out: String?, writesArray: Bool,
    latentsOnly: Bool = false, tile: TileArgument? = nil, guidance: GuidanceOptions = GuidanceOptions(),
    grid: GridShape?, shard: Shard? = nil, threads: Int, batch: Int, preview: Preview? = nil, json: Bool
  ) {
    self.preview = preview
    self.model = model
    self.sampler = sampler
    self.images = images
    self.seed = seed
    self.labels = labels
    self.executor = executor
    self.modelOptions = modelOptions
    self.initialNoise = initialNoise
    self.out = out
    self.writesArray = writesArray
    self.latentsOnly = latentsOnly
    self.tile = tile
    self.guidance = guidance
    self.grid = grid
    self.shard = shard
    self.threads = threads
    self.batch = batch
    self.json = json
  }

  /// What drawing needs, before any folder is opened.
  struct Prepared {
    let source: ModelSource
    let plan: SamplingPlan
    let sampler: ImageSampler
    let compute: Compute
    let notes: [String]
  }

  /// - Throws: what stands against drawing, before any work.
  func prepared(_ session: Session) throws -> Prepared {
    let source = try session.open(model, modelOptions, holding: .packed)
    let chosen = try source.sampler(sampler.name.map { .named($0) }, steps: sampler.steps, assets: session.assets)
    let compute = try Compute(threads: threads, batch: batch)
    let plan = try SamplingPlan(
      source: source, sampler: chosen.sampler, executor: executor ?? source.defaultExecutor, seed: seed, labels: labels,
      initialNoise: initialNoise, latentsOnly: latentsOnly, tile: tile, guidance: guidance)
    let drawing = try plan.imageSampler(last: images.upperBound, compute: compute, console: session.console)
    return Prepared(
      source: source, plan: plan, sampler: drawing, compute: compute,
      notes: try source.schedule.notes + chosen.notes + plan.stepNotes)
  }

  package func run(_ session: Session) throws {
    let wholeOnly = [writesArray ? "--npz" : nil, grid == nil ? nil : "--grid"].compactMap(\.self)
    if shard != nil, !wholeOnly.isEmpty { throw ShardError.wholeOnly(options: wholeOnly) }
    let prepared = try prepared(session)
    let (source, plan, compute, notes) = (prepared.source, prepared.plan, prepared.compute, prepared.notes)
    let grid = grid ?? GridShape(showing: images.count)
    let shape = latentsOnly ? source.model.graph.imageShape : source.imageShape
    let layout = GridLayout.counted(
      shape, rows: grid.rows, columns: grid.columns, from: images.lowerBound, count: images.count)
    try MemoryBudget.require(layout.byteCount, for: "a grid of \(grid) images")
    let name = "\(source.name)-\(type(of: plan.sampler).name)-\(plan.stepCount)-seed\(seed)"
    let folder = out ?? joined("outputs", name + (latentsOnly ? "-latents" : ""))
    let run = try RunFolder(
      folder, command: "sample", identity: plan.identity(kernels: compute.kernels), arguments: session.arguments,
      shard: shard)
    let store = plan.store(in: run)
    if shard == nil { try RunFolder.checkResults(in: run.path, withArray: writesArray) }
    session.console.notes(notes)
    if let shard { return try draw(shard, prepared, store, run, session) }
    let outcome = try prepared.sampler.draw(images, into: store, title: "sampling", session: session, log: run.log)
    let gridPath = run.file("grid.png")
    let picture = try store.writeGrid(of: images, shape: grid, to: gridPath)
    let arrayPath = writesArray ? run.file("samples.npz") : nil
    if let arrayPath { try store.writeArray(images, labels: plan.conditioning.labels, to: arrayPath) }
    let report = report(plan, outcome, compute, notes)
    try AtomicFile.write(JSONWriter.pretty(report), to: run.file("report.json"))
    if json { return try session.console.result(json: report) }
    try session.console.result(
      "\(images.count) \(latentsOnly ? "latents" : "images") in \(store.folder) (\(outcome.drawn) drawn, \(outcome.kept) kept)"
    )
    try session.console.result("grid: \(gridPath)")
    try preview?.show(picture, file: gridPath, console: session.console)
    if let arrayPath { try session.console.result("array: \(arrayPath)") }
  }

  /// The shard's images; what a whole run leaves besides is made when they are gathered.
  private func draw(
    _ shard: Shard, _ prepared: Prepared, _ store: ImageStore, _ run: RunFolder, _ session: Session
  ) throws {
    let units = WorkUnits(of: images, for: shard)
    let outcome = try ShardedDrawing(units: units, sampler: prepared.sampler, store: store).draw(
      title: "sampling", session: session, log: run.log)
    let report = report(prepared.plan, outcome, prepared.compute, prepared.notes)
    let count = outcome.kept + outcome.drawn
    try ShardReport(
      shard: shard, images: count, drawn: outcome.drawn, seconds: outcome.duration / .seconds(1),
      host: Machine.current.hostName
    ).write(inRun: run.path, with: report)
    if json { return try session.console.result(json: report.setting("shard", .string(shard.description))) }
    try session.console.result(
      "shard \(shard): \(count) \(latentsOnly ? "latents" : "images") in \(store.folder) (\(outcome.drawn) drawn, \(outcome.kept) kept)"
    )
  }

  private func report(
    _ plan: SamplingPlan, _ outcome: ImageSampler.Outcome, _ compute: Compute, _ notes: [String]
  ) -> ConfigurationValue {
    let steps = Double(outcome.drawn * plan.stepCount)
    let milliseconds = outcome.duration / .milliseconds(1)
    return [
      "schema": 1, "model": .string(plan.source.name), "model_digest": .string(plan.source.digest),
      "first_image": .integer(images.lowerBound), "last_image": .integer(images.upperBound),
      "drawn": .integer(outcome.drawn), "kept": .integer(outcome.kept), "replaced": .integer(outcome.replaced),
      "steps": .integer(plan.stepCount), "network_calls": .integer(plan.steps.count),
      "executor": .string(plan.executor.rawValue),
      "instruction_set": .string(compute.kernels.name), "threads": .integer(compute.pool.threads),
      "batch": .integer(compute.batch),
      "milliseconds_per_image_and_step": steps > 0 ? .number(milliseconds / steps) : .null,
      "notes": .list(notes.map { .string($0) }),
    ]
  }
}
