import Formats
import Graphs
import Quantization
import Tensors

/// How much work `quantize` may do.
package typealias QuantizationEffort = Effort

/// `quantize`: makes an integer model.
package struct QuantizeCommand: Sendable {
  /// Which components of a latent model are quantised; the others go along as they are.
  package enum Components: String, Sendable, CaseIterable {
    case denoiser, decoder, all

    package var includeDenoiser: Bool { self != .decoder }
    package var includeDecoder: Bool { self != .denoiser }
  }

  package var model: String
  /// Of the denoiser; nil where it stays float.
  package var recipe: RecipeChoice?
  package var components: Components
  /// Of the decoder.
  package var decoderRecipe: String
  package var calibration: String?
  package var sampler: SamplerOptions
  package var guidance: GuidanceOptions
  package var modelOptions: ModelOptions
  package var out: String?
  package var effort: Effort
  /// Where the recipe comes from.
  package enum RecipeChoice: Sendable {
    /// By name or path.
    case named(String)
    case reported(ReportedRecipe)
  }

  /// In place of an effort: how long the work may take.
  package var time: WorkTime?
  package var threads: Int
  package var batch: Int

  package init(
    model: String, recipe: RecipeChoice?, components: Components, decoderRecipe: String, calibration: String?,
    sampler: SamplerOptions, guidance: GuidanceOptions, modelOptions: ModelOptions,
    out: String?, effort: Effort, time: WorkTime?, threads: Int,
    batch: Int
  ) {
    self.model = model
    self.recipe = recipe
    self.components = components
    self.decoderRecipe = decoderRecipe
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
    if let out { try checkPlaces(out, session) }
    let source = try session.open(model, modelOptions, holding: .packed)
    if source.quantized != nil { throw ModelSourceError.needsFloat(path: source.path, command: "quantize") }
    let compute = try Compute(threads: threads, batch: batch)
    let decoder =
      components.includeDecoder
      ? try DecoderQuantizer(
        source: source,
        prepared: PreparedRecipe(decoder: decoderRecipe, for: source, sampler: sampler, assets: session.assets),
        compute: compute, guidance: guidance) : nil
    guard let recipe else {
      if let decoder { try makeDecoderAlone(decoder, source, compute, session) }
      return
    }
    var prepared = try chosen(recipe, source, session).scaled(to: effort, console: session.console)
    session.console.notes(try source.schedule.notes + prepared.notes)
    let planning = try TimePlanning(
      source, stepCount: prepared.steps.count, drawsSet: calibration == nil, compute: compute)
    if let time { prepared = planning.fitted(prepared, to: time, console: session.console) }
    let calibrating = try CalibrationRun(
      source: source, prepared: prepared, compute: compute, guidance: guidance)
    let path = try place(source, recipe: prepared.name, session)
    planning.announce(prepared.recipe, setBytes: calibrating.sizes.file, console: session.console)
    let gatherer = try calibrating.gatherer()
    let set =
      if let calibration { try calibrating.open(calibration, session: session) } else {
        try calibrating.openOrMake(
          joined(parentFolder(of: path), stem(of: path) + ".calibration.h5"), gathering: gatherer, session: session)
      }
    let quantizer = Quantizer(source: source, prepared: prepared, compute: compute, decoder: decoder)
    let made = try quantizer.make(path, set: set, gathered: gatherer, session: session)
    if made.model.selfTest == nil {
      session.console.note("note: this recipe's tables cannot run in integers; the model is for simulation")
    }
    try writePage(path, source, compute, session)
    try report(made, decoder, source, path, session)
  }

  /// Where the model goes: `out`, which was looked at before anything else, or a place by its names.
  private func place(_ source: ModelSource, recipe: String, _ session: Session) throws -> String {
    if let out { return out }
    let path = joined("outputs", "\(source.name)-\(recipe).safetensors")
    try checkPlaces(path, session)
    return path
  }

  /// Looks at the model's place, and at those of its report beside it.
  private func checkPlaces(_ out: String, _ session: Session) throws {
    let recipe: String? =
      switch recipe {
      case .named(let text): session.assets.place(.recipe, text)
      case .reported(let reported): reported.path
      case nil: nil
      }
    let page = ReportBuilder.page(of: out)
    try OutputPlace.prepare(
      [out, page, ReportFile.dataPath(of: page)],
      inputs: session.inputs(of: model, modelOptions, and: [calibration, recipe, decoderRecipe, sampler.name]))
  }

  /// The denoiser stays float: nothing is calibrated for it.
  private func makeDecoderAlone(
    _ decoder: DecoderQuantizer, _ source: ModelSource, _ compute: Compute, _ session: Session
  ) throws {
    session.console.notes(try source.schedule.notes + decoder.prepared.notes)
    let path = try place(source, recipe: decoder.prepared.name, session)
    let prepared = decoder.prepared.replacing(
      decoder.prepared.recipe.leavingEverythingFloat, name: decoder.prepared.name)
    let quantizer = Quantizer(source: source, prepared: prepared, compute: compute, decoder: decoder)
    let made = try quantizer.make(path, set: nil, session: session)
    try writePage(path, source, compute, session)
    try report(made, decoder, source, path, session)
  }

  private func report(
    _ made: Quantizer.Made, _ decoder: DecoderQuantizer?, _ source: ModelSource, _ path: String, _ session: Session
  ) throws {
    let bytes = try InputFile(path).size
    // What goes along as it is counts on both sides.
    let others =
      decoder?.floatBytes
      ?? made.model.components.values.flatMap(\.parameters.values).reduce(0) { $0 + $1.bytes.count }
    let floatBytes = 4 * GraphSummary(source.model.graph).parameterCount + others
    try session.console.result(
      "\(path): \(shown(bytes: bytes)), \(fixed(Double(bytes) / Double(floatBytes), 3)) of the float weights")
    guard let quality = made.decoderQuality else { return }
    let mean = quality.meanDecibels.map { "mean \(fixed($0, 2)) dB" } ?? "identical"
    try session.console.result(
      "decoder: PSNR \(mean), of the mean error \(quality.pooled.text) dB, against the float decoder on "
        + "\(quality.images.count) latents that it was not calibrated on")
  }

  private func chosen(
    _ recipe: RecipeChoice, _ source: ModelSource, _ session: Session
  ) throws -> PreparedRecipe {
    switch recipe {
    case .named(let text): try PreparedRecipe(text, for: source, sampler: sampler, assets: session.assets)
    case .reported(let reported): try reported.prepared(for: source, sampler: sampler, session: session)
    }
  }

  /// The page beside the model.
  private func writePage(_ path: String, _ source: ModelSource, _ compute: Compute, _ session: Session) throws {
    let builder = ReportBuilder(session, compute: compute, floats: [source])
    try builder.add(path)
    if case .named(let text) = recipe { builder.name(recipe: text) }
    let machine = Machine.current
    builder.describe(
      command: session.command,
      facts: [
        .init("machine", "\(machine.processor), \(machine.logicalCores) processors"), .init("system", machine.kernel),
      ])
    let page = ReportBuilder.page(of: path)
    try builder.write(page)
    session.console.note("report: \(page)")
  }
}
