internal import Formats
internal import Quantization
internal import Workbench

/// How a model is quantised.
public struct QuantizationOptions: Sendable, Equatable {
  /// How much work is done.
  public enum Effort: String, Sendable, CaseIterable {
    /// Fewer samples and iterations than the recipe says.
    case fast
    /// Those of the recipe.
    case balanced
    /// Those of the papers.
    case paper
  }

  /// Which part of a latent model.
  public enum Components: Sendable, Equatable {
    case denoiser
    /// The decoder too, by a recipe of its own: a name under `calib/decoders`, or a path.
    case denoiserAndDecoder(recipe: String)
  }

  /// Where the calibration set is.
  public enum CalibrationSet: Sendable, Equatable {
    /// Drawn, and gone afterwards.
    case inMemory
    /// In an HDF5 file, which is used where it is there and fits, and else made. It needs the runtime's `hdf5Reader`.
    case file(String)
  }

  /// A preset by name (`halftone-w8a8`) or a YAML file by path.
  public var recipe: String
  public var components: Components
  public var effort: Effort
  /// Sampler in place of the recipe's: a preset by name or path, or `own`.
  public var sampler: String?
  /// The sampler's settings with another number of steps.
  public var steps: Int?
  /// Guidance of the trajectories that are calibrated on; nil: none.
  public var guidance: Double?
  public var guidanceRescale: Double?
  public var calibration: CalibrationSet
  /// Whether finished regions of a reconstruction are kept in a folder beside the output, `OUT.partial`, until the model
  /// stands, so that a piece of work that was stopped goes on there. Without it nothing is left of stopped work.
  public var keepsProgress: Bool

  public init(
    recipe: String, components: Components = .denoiser, effort: Effort = .balanced, sampler: String? = nil,
    steps: Int? = nil, guidance: Double? = nil, guidanceRescale: Double? = nil,
    calibration: CalibrationSet = .inMemory, keepsProgress: Bool = false
  ) {
    self.recipe = recipe
    self.components = components
    self.effort = effort
    self.sampler = sampler
    self.steps = steps
    self.guidance = guidance
    self.guidanceRescale = guidanceRescale
    self.calibration = calibration
    self.keepsProgress = keepsProgress
  }

  /// The files that are named by path, none of which the model may replace.
  fileprivate func files(_ assets: Assets) -> [String] {
    var found = [assets.place(.recipe, recipe)] + (sampler.map { [$0] } ?? [])
    if case .file(let file) = calibration { found.append(file) }
    if case .denoiserAndDecoder(let name) = components { found.append(name) }
    return found
  }

  fileprivate func check() throws {
    try ArgumentError.require(steps, in: ScheduleOptions.timestepRange, "steps")
    try ArgumentError.require(guidance, in: GuidanceOptions.scales, "guidance")
    try ArgumentError.require(guidanceRescale, in: 0...1, "guidanceRescale")
  }
}

extension Pipeline {
  /// Makes a quantised model: one file that runs alone, in integers, the same that `halftone quantize` makes.
  ///
  /// Cancelling the calling task ends the work within a second or so; the file then does not exist, and nothing is left beside it
  /// unless `keepsProgress` or a calibration file was asked for.
  /// - Parameters:
  ///   - path: where the file goes. It appears when it is complete, in place of an older one.
  ///   - options: the recipe, and what is to be done otherwise than it says.
  ///   - progress: is told how far the work has come.
  /// - Returns: the quantised model, read from the file.
  /// - Throws: `PipelineError` when this is a quantised model, the recipe is unknown or does not fit the network, or memory or
  ///   disk do not suffice; `CancellationError`.
  public func quantize(
    to path: String, _ options: QuantizationOptions, progress: @escaping ProgressHandler = { _ in }
  ) async throws -> Pipeline {
    try await BlockingWork.run { flag in
      try options.check()
      let session = runtime.session(flag, progress: progress)
      if case .file(let file) = options.calibration, runtime.hdf5Reader == nil {
        throw FormatError.hdf5(file, .noReader)
      }
      try OutputPlace.check([path], inputs: [source.path] + options.files(session.assets))
      let sampler = SamplerOptions(name: options.sampler, steps: options.steps)
      let guidance = GuidanceOptions(scale: options.guidance, rescale: options.guidanceRescale)
      let recipe = try PreparedRecipe(options.recipe, for: source, sampler: sampler, assets: session.assets)
        .scaled(to: Effort(options.effort), console: session.console)
      session.console.notes(try source.schedule.notes + recipe.notes)
      let calibrating = try CalibrationRun(
        source: source, prepared: recipe, compute: runtime.compute, guidance: guidance)
      var decoder: DecoderQuantizer?
      if case .denoiserAndDecoder(let name) = options.components {
        decoder = try DecoderQuantizer(
          source: source,
          prepared: PreparedRecipe(decoder: name, for: source, sampler: sampler, assets: session.assets),
          compute: runtime.compute, guidance: guidance)
      }
      let gatherer = try calibrating.gatherer()
      let set: any CalibrationSource =
        switch options.calibration {
        case .inMemory: try calibrating.makeInMemory(gathering: gatherer, session: session)
        case .file(let file): try calibrating.openOrMake(file, gathering: gatherer, session: session)
        }
      let quantizer = Quantizer(
        source: source, prepared: recipe, compute: runtime.compute, decoder: decoder,
        keepsProgress: options.keepsProgress)
      _ = try quantizer.make(path, set: set, gathered: gatherer, session: session)
      return try Pipeline(session.open(path), in: runtime)
    }
  }
}

extension Effort {
  fileprivate init(_ effort: QuantizationOptions.Effort) {
    self =
      switch effort {
      case .fast: .fast
      case .balanced: .balanced
      case .paper: .paper
      }
  }
}
