import Formats
import Graphs
import Quantization
import Tensors

/// How much work `quantize` may do.
package typealias QuantizationEffort = Effort

/// `quantize`: makes an integer model.
package struct QuantizeCommand: Sendable {
  package var model: String
  package var recipe: String
  package var calibration: String?
  package var sampler: SamplerOptions
  package var guidance: GuidanceOptions
  package var modelOptions: ModelOptions
  package var out: String?
  package var effort: Effort
  /// In place of an effort: how long the work may take.
  package var time: WorkTime?
  package var threads: Int
  package var batch: Int

  package init(
    model: String, recipe: String, calibration: String?, sampler: SamplerOptions, guidance: GuidanceOptions,
    modelOptions: ModelOptions,
    out: String?, effort: Effort, time: WorkTime?, threads: Int,
    batch: Int
  ) {
    self.model = model
    self.recipe = recipe
    self.calibration = calibration
    self.sampler = sampler
    self.guidance = guidance
    self.modelOptions = modelOptions
    self.out = out
    self.effort = effort
    self.time = time
    self.threads = threads
    self.batch = batch
  }

  package func run(_ session: Session) throws {
    if let out { try AtomicFile.prepareTarget(out) }
    let source = try session.open(model, modelOptions)
    var prepared = try PreparedRecipe(recipe, for: source, sampler: sampler, assets: session.assets).scaled(
      to: effort, console: session.console)
    session.console.notes(try source.schedule.notes + prepared.notes)
    let compute = try Compute(threads: threads, batch: batch)
    let planning = try TimePlanning(
      source, stepCount: prepared.steps.count, drawsSet: calibration == nil, compute: compute)
    if let time { prepared = planning.fitted(prepared, to: time, console: session.console) }
    let calibrating = try CalibrationRun(
      source: source, prepared: prepared, compute: compute, guidance: guidance)
    let path = out ?? joined("outputs", "\(source.name)-\(prepared.name).safetensors")
    try AtomicFile.prepareTarget(path)
    planning.announce(prepared.recipe, setBytes: calibrating.sizes.file, console: session.console)
    let gatherer = try calibrating.gatherer()
    let set =
      if let calibration { try calibrating.open(calibration) } else {
        try calibrating.openOrMake(
          joined(parentFolder(of: path), stem(of: path) + ".calibration.h5"), gathering: gatherer, session: session)
      }
    let quantizer = Quantizer(source: source, prepared: prepared, compute: compute)
    let quantized = try quantizer.make(path, set: set, gathered: gatherer, session: session)
    if quantized.selfTest == nil {
      session.console.note("note: this recipe's tables cannot run in integers; the model is for simulation")
    }
    let bytes = try InputFile(path).size
    // What goes along as it is counts on both sides.
    let others = quantized.components.values.flatMap(\.parameters.values).reduce(0) { $0 + $1.bytes.count }
    let floatBytes = 4 * GraphSummary(source.model.graph).parameterCount + others
    try session.console.result(
      "\(path): \(shown(bytes: bytes)), \(fixed(Double(bytes) / Double(floatBytes), 3)) of the float weights")
  }
}
