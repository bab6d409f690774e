import Diffusion
import Execution
import Formats
import Graphs
import Quantization
import Synchronization
import Tensors

/// A recipe with what it means for one model: sampler and steps.
package struct PreparedRecipe {
  package let name: String
  package let recipe: Recipe
  package let sampler: any Sampler
  package let steps: [Step]
  /// What there is to say about the sampler.
  package let notes: [String]

  /// - Parameter text: a recipe as `NamedRecipe` reads it.
  package init(
    _ text: String, for source: ModelSource, sampler: SamplerOptions = SamplerOptions(), assets: Assets
  ) throws {
    let named = try NamedRecipe(text, assets: assets)
    try self.init(name: named.name, named.recipe, for: source, sampler: sampler, assets: assets)
  }

  /// A decoder's recipe, for the sampler whose ends it is calibrated on.
  package init(
    decoder text: String, for source: ModelSource, sampler: SamplerOptions = SamplerOptions(), assets: Assets
  ) throws {
    let named = try NamedRecipe(decoder: text, assets: assets)
    try self.init(unchecked: named.recipe, name: named.name, for: source, sampler: sampler, assets: assets)
  }

  /// - Parameter options: in place of the recipe's sampler, or of its number of steps; the recipe then says so.
  /// - Throws: before any work, what the recipe says of layers that the denoiser lacks.
  package init(
    name: String, _ recipe: Recipe, for source: ModelSource, sampler options: SamplerOptions = SamplerOptions(),
    assets: Assets
  ) throws {
    _ = try recipe.selection(in: source.model.graph)
    try self.init(unchecked: recipe, name: name, for: source, sampler: options, assets: assets)
  }

  /// - Parameter recipe: of layers that are the denoiser's or another network's.
  private init(
    unchecked recipe: Recipe, name: String, for source: ModelSource, sampler options: SamplerOptions, assets: Assets
  ) throws {
    var recipe = recipe
    if let chosen = options.name { recipe.sampler = .named(chosen) }
    // A model without settings of its own has the standard sampler.
    let choice = recipe.sampler == .named(ChosenSampler.ownName) ? nil : recipe.sampler
    let chosen = try source.sampler(
      choice, steps: options.steps, place: "\(name): sampler", assets: assets)
    if options.steps != nil { recipe.sampler = .inline(chosen.sampler.configuration) }
    self.name = name
    self.recipe = recipe
    sampler = chosen.sampler
    steps = try sampler.steps(for: source.process)
    // Recipes of released code name a class for every model.
    let isIdle = if case .cycled = recipe.calibration.labels { source.conditioning.classes == nil } else { false }
    notes = chosen.notes + (isIdle ? ["calibration.labels of \(name) is not used: the model takes no classes"] : [])
  }

  /// The same with its numbers scaled to an effort, saying what changed. Named after it unless nothing did.
  package func scaled(to effort: Effort, console: Console) -> PreparedRecipe {
    let (scaled, changes) = recipe.scaled(to: effort)
    if changes.isEmpty { return self }
    console.note("effort \(effort.rawValue):\n  " + changes.joined(separator: "\n  "))
    return replacing(scaled, name: "\(name)-\(effort.rawValue)")
  }

  /// Another recipe for the same sampler and steps.
  func replacing(_ recipe: Recipe, name: String) -> PreparedRecipe {
    PreparedRecipe(name: name, recipe: recipe, sampler: sampler, steps: steps, notes: notes)
  }

  private init(name: String, recipe: Recipe, sampler: any Sampler, steps: [Step], notes: [String]) {
    self.name = name
    self.recipe = recipe
    self.sampler = sampler
    self.steps = steps
    self.notes = notes
  }
}

/// Making and finding the calibration set of a recipe.
package struct CalibrationRun {
  package let source: ModelSource
  package let prepared: PreparedRecipe
  package let compute: Compute
  private let guidance: GuidanceSetting?

  package init(
    source: ModelSource, prepared: PreparedRecipe, compute: Compute, guidance: GuidanceOptions = GuidanceOptions()
  ) throws {
    if source.quantized != nil { throw ModelSourceError.needsFloat(path: source.path, command: "calibrate") }
    try compute.requireStates(of: source.model.graph.imageShape)
    let calibration = prepared.recipe.calibration
    try MemoryBudget.require(
      CalibrationPlan.byteCount(calibration, stepCount: prepared.steps.count, batch: compute.batch),
      for: "the plan of \(calibration.trajectories) calibration trajectories")
    self.source = source
    self.prepared = prepared
    self.compute = compute
    self.guidance = try guidance.setting(for: source)
  }

  /// Opens `path` if it fits the recipe. - Throws: what does not fit.
  package func open(_ path: String, session: Session) throws -> CalibrationFile.Reader {
    let set = try CalibrationFile.Reader(path, reader: session.hdf5)
    try set.provenance.check(
      fits: prepared.recipe, graph: source.model.graph, form: source.conditioning, modelDigest: source.digest,
      sampler: prepared.sampler.configuration, steps: prepared.steps, guidance: guidance)
    return set
  }

  /// Samples the set into `path`, in place of whatever stands there.
  /// - Parameter ranges: where ranges are gathered meanwhile.
  package func make(
    _ path: String, gathering ranges: TrajectoryRanges? = nil, session: Session
  ) throws -> CalibrationFile.Reader {
    try CalibrationFile.write(to: path) { try sample(into: $0, gathering: ranges, session: session) }
    return try CalibrationFile.Reader(path, reader: session.hdf5)
  }

  /// A set that is used once; its digest is that of its samples.
  package func makeInMemory(gathering ranges: TrajectoryRanges? = nil, session: Session) throws -> CalibrationSet {
    try MemoryBudget.require(sizes.file, for: "a calibration set in memory")
    let builder = CalibrationSetBuilder()
    let digest = SampleDigest(builder)
    try sample(into: digest, gathering: ranges, session: session)
    guard let set = builder.set(digest: "samples sha256:" + digest.value) else {
      preconditionFailure("sampling begins every sink")
    }
    return set
  }

  /// Where the recipe's ranges can be gathered while its set is drawn; nil where they cannot.
  package func gatherer() throws -> TrajectoryRanges? {
    try TrajectoryRanges(prepared.recipe, graph: source.model.graph, stepCount: prepared.steps.count)
  }

  /// Samples a shard's units of the set at `path`, into files beside it.
  /// - Returns: how many units were made and how many were there.
  func make(_ shard: Shard, ofSet path: String, session: Session) throws -> (made: Int, kept: Int) {
    let sampling = try sampling(gathering: nil)
    let reporter = WorkReporter(session)
    let plan = try sampling.plan(prepared.recipe.calibration, progress: reporter.report)
    reporter.finish()
    return try CalibrationUnits(beside: path, reader: session.hdf5).make(
      shard, of: plan, with: sampling, session: session)
  }

  private func sampling(gathering ranges: TrajectoryRanges?) throws -> CalibrationSampling {
    CalibrationSampling(
      denoiser: try source.denoiser(guidance: guidance, compute: compute, observer: ranges?.observer),
      schedule: try source.process.schedule,
      sampler: prepared.sampler, modelDigest: source.digest, batch: compute.batch, guidance: guidance,
      probe: try probe())
  }

  private func sample(
    into sink: any CalibrationSink, gathering ranges: TrajectoryRanges?, session: Session
  ) throws {
    let sampling = try sampling(gathering: ranges)
    let reporter = WorkReporter(session)
    try sampling.run(prepared.recipe.calibration, into: sink, gathering: ranges, progress: reporter.report)
    reporter.finish()
  }

  /// Reads the middle block's features, for distribution `tdac`.
  private func probe() throws -> CalibrationSampling.FeatureProbe? {
    guard prepared.recipe.calibration.distribution.kind == .tdac else { return nil }
    guard let site = source.model.graph.middleSite else { throw QuantizationError.noMiddleBlock }
    let seen = Mutex<Tensor?>(nil)
    let observer = SiteObserver {
      $0 == site
    } receive: { _, value in
      seen.withLock { $0 = value }
    }
    let executor = try FloatExecutor(
      source.model, winograd: true, pool: compute.pool, kernels: compute.kernels, observer: observer)
    let embedder = source.embedder
    return { x, step, conditioning in
      let taken = embedder.map { conditioning.map($0.embedded) } ?? conditioning
      _ = try executor.run(NetworkInput(x: x, at: step, conditioning: taken))
      guard let features = seen.withLock({ $0 }) else { preconditionFailure("the executor did not report \(site)") }
      return features
    }
  }

  /// The set at `path` where it fits; else a new one in its place.
  /// - Parameter ranges: where ranges are gathered if the set is made.
  package func openOrMake(
    _ path: String, gathering ranges: TrajectoryRanges? = nil, session: Session
  ) throws -> CalibrationFile.Reader {
    if Folder.kind(of: path) != nil {
      do {
        let set = try open(path, session: session)
        session.console.note("using the calibration set \(path)")
        return set
      } catch let error as any HalftoneError where error.exit == .refusedInput {
        session.console.note("making \(path) again: \(error.message)")
      }
    }
    return try make(path, gathering: ranges, session: session)
  }

  /// Names what decides the set: equal for recipes that can share one.
  package var shortDigest: String {
    var key: ConfigurationValue = [
      "model": .string(source.digest), "sampler": prepared.sampler.configuration,
      "calibration": prepared.recipe.calibration.encode(),
    ]
    if let guidance { key = key.setting("guidance", guidance.encode()) }
    return String(Digest.sha256(Array(JSONWriter.compact(key).utf8)).prefix(12))
  }

  /// Bytes of the samples, and of what is held in memory while they are made.
  package var sizes: (file: Int, memory: Int) {
    let image = 4 * source.model.graph.imageShape.count
    let plan = CalibrationPlan(prepared.recipe.calibration, stepCount: prepared.steps.count)
    // x_t, the network's output, x_0, x_(t-1) and noise of one batch.
    return (plan.counts.reduce(0, +) * image, 5 * compute.batch * image)
  }
}
