import Formats
import Tensors

/// `calibrate`: records the network's inputs along its own sampling trajectories.
package struct CalibrateCommand: Sendable {
  package var model: String
  package var recipe: String
  package var sampler: SamplerOptions
  package var guidance: GuidanceOptions
  package var modelOptions: ModelOptions
  package var out: String?
  /// The part of the set that this process makes; nil: all of it.
  package var shard: Shard?
  package var threads: Int
  package var batch: Int

  package init(
    model: String, recipe: String, sampler: SamplerOptions, guidance: GuidanceOptions, modelOptions: ModelOptions,
    out: String?, shard: Shard? = nil, threads: Int, batch: Int
  ) {
    self.model = model
    self.recipe = recipe
    self.sampler = sampler
    self.guidance = guidance
    self.modelOptions = modelOptions
    self.out = out
    self.shard = shard
    self.threads = threads
    self.batch = batch
  }

  package func run(_ session: Session) throws {
    if let out {
      let recipe = session.assets.place(.recipe, recipe)
      try OutputPlace.prepare([out], inputs: session.inputs(of: model, modelOptions, and: [recipe, sampler.name]))
    }
    let source = try session.open(model, modelOptions, holding: .packed)
    let prepared = try PreparedRecipe(recipe, for: source, sampler: sampler, assets: session.assets)
    session.console.notes(try source.schedule.notes + prepared.notes)
    let calibration = try CalibrationRun(
      source: source, prepared: prepared, compute: Compute(threads: threads, batch: batch), guidance: guidance)
    let path = out ?? joined("outputs", "\(source.name)-\(prepared.name).calibration.h5")
    try AtomicFile.prepareTarget(path)
    let sizes = calibration.sizes
    session.console.note(
      "calibration set: \(shown(bytes: sizes.file)) on disk, \(shown(bytes: sizes.memory)) of states in memory")
    if let shard {
      let (made, kept) = try calibration.make(shard, ofSet: path, session: session)
      return try session.console.result(
        "shard \(shard): \(made + kept) units of 64 trajectories in \(path)\(CalibrationUnits.suffix) (\(made) made, \(kept) kept)"
      )
    }
    let set = try calibration.make(path, session: session)
    try session.console.result(
      "\(path): \(shown(count: set.counts.reduce(0, +))) samples at \(set.counts.count { $0 > 0 }) of \(set.counts.count) steps"
    )
  }
}
