import Diffusion
import Evaluation
import Formats
import Graphs
import Quantization
import Tensors

/// Quantised versions of one float model, made in one run folder, drawn at equal seeds and measured alike: what `demo` and
/// `ablate` are made of. Everything that is finished in the folder and still fits is used again: calibration sets by what
/// decides them, artefacts by their recipe and set, images and step errors by the artefact's digest.
package struct VariantComparison {
  /// How much is drawn and measured.
  package struct Size: Sendable {
    /// Images per variant and seed.
    package let images: Int
    package let seeds: [UInt64]
    /// Images whose steps are compared one by one, of the first seed.
    package let comparedImages: Int
    package let timingRounds: Int

    package init(images: Int, seeds: [UInt64], comparedImages: Int, timingRounds: Int) {
      self.images = images
      self.seeds = seeds
      self.comparedImages = comparedImages
      self.timingRounds = timingRounds
    }
  }

  /// One of the models that are compared.
  package struct Variant {
    package let title: String
    package let recipe: String?
    package let source: ModelSource
    package let cost: WorkCost?
    /// One per seed.
    package let samplers: [ImageSampler]
    package let stores: [ImageStore]
    /// Its folder inside the run's.
    package var name: String { recipe ?? "float" }
  }

  package let float: ModelSource
  package let sampler: any Sampler
  /// Of all of them, and of the trajectories they are calibrated on.
  package let guidance: GuidanceOptions
  /// What quantises the decoders of a latent model's variants, too; nil: they have the float model's.
  package let decoder: DecoderQuantizer?
  package let size: Size
  /// Statistics or images that distances are measured to; nil measures none.
  package let reference: String?
  package let run: RunFolder
  /// Where in the run's folder everything stands; nil: at its top.
  package let subfolder: String?
  package let compute: Compute
  package let session: Session

  package init(
    float: ModelSource, sampler: any Sampler, guidance: GuidanceOptions = GuidanceOptions(),
    decoder: DecoderQuantizer? = nil, size: Size, reference: String?, run: RunFolder, subfolder: String? = nil,
    compute: Compute, session: Session
  ) {
    self.float = float
    self.sampler = sampler
    self.guidance = guidance
    self.decoder = decoder
    self.subfolder = subfolder
    self.size = size
    self.reference = reference
    self.run = run
    self.compute = compute
    self.session = session
  }

  var images: ClosedRange<Int> { 0...(size.images - 1) }
  private func inside(_ name: String) -> String { subfolder.map { joined($0, name) } ?? name }
  private func file(_ name: String) -> String { run.file(inside(name)) }

  /// The float model and one variant per recipe, quantised where they are not yet.
  /// - Throws: before any work, what keeps distances to the reference from being computed.
  package func variants(_ recipes: [(title: String, recipe: PreparedRecipe)]) throws -> [Variant] {
    try checkReference()
    if let subfolder { try Folder.create(run.file(subfolder)) }
    var variants = [try floatVariant()]
    for (title, recipe) in recipes {
      let (path, cost) = try artefact(recipe)
      let source = try ModelSource.open(path, assets: session.assets)
      variants.append(try variant(title, recipe: recipe.name, source, cost: cost))
    }
    return variants
  }

  /// The float model itself.
  func floatVariant() throws -> Variant { try variant("float", recipe: nil, float, cost: nil) }

  /// Refuses, before anything is made, images or a reference between which there is no distance.
  private func checkReference() throws {
    guard let reference else { return }
    let channels = float.imageShape.channels
    if !PNG.channelCounts.contains(channels) { throw RunError.arrays(channels: channels) }
    let scoring = try FeatureScoring(ScoringOptions(), session: session, compute: compute)
    let statistics =
      try StatisticsFiles.content(reference) == nil ? nil : scoring.statistics(of: reference, session: session)
    if let found = statistics?.extractor, found != scoring.extractor.identity {
      throw EvaluationError.extractorsDiffer(scoring.extractor.identity, found)
    }
    if let found = statistics?.dimension, found != scoring.extractor.dimension {
      throw EvaluationError.dimensionsDiffer(scoring.extractor.dimension, found)
    }
    let counts = [images.count, try statistics == nil ? scoring.images(reference).count : 2]
    if let few = counts.first(where: { $0 < 2 }) {
      throw EvaluationError.tooFewForMetric(metric: "a distance to \(printable(reference))", needed: 2, found: few)
    }
  }

  /// Draws and measures. - Parameter variants: the float model first.
  package func rows(_ variants: [Variant]) throws -> [VariantRow] {
    for (position, seed) in size.seeds.enumerated() {
      for variant in variants {
        let title = "sampling \(variant.name)" + (size.seeds.count > 1 ? ", seed \(seed)" : "")
        _ = try variant.samplers[position].draw(
          images, into: variant.stores[position], title: title, session: session, log: run.log)
      }
    }
    let times = try InterleavedTiming.medians(
      variants.map { $0.samplers[0] }, rounds: size.timingRounds, session: session)
    let distances = try distances(variants)
    let decoding = try decoding(variants)
    return try variants.enumerated().map { position, variant in
      let isFloat = position == 0
      return VariantRow(
        title: variant.title, recipe: variant.recipe, bytes: try variant.source.drawingBytes,
        floatShare: variant.source.floatShare, cost: variant.cost,
        milliseconds: times[position], distances: distances[position],
        decoding: decoding.map { $0[position] }, pairs: isFloat ? nil : try pairs(variants[0], variant),
        stepErrors: isFloat ? nil : try stepErrors(variants[0], variant))
    }
  }

  // MARK: Making

  /// A recipe's work in the run's folder: its calibration set, shared by recipes that draw alike, and its artefact.
  private func place(
    of recipe: PreparedRecipe
  ) throws -> (calibration: CalibrationRun, set: String, quantizer: Quantizer, artefact: String) {
    let calibration = try CalibrationRun(source: float, prepared: recipe, compute: compute, guidance: guidance)
    let quantizer = Quantizer(
      source: float, prepared: recipe, compute: compute,
      decoder: decoder)
    return (
      calibration, file("calibration-\(calibration.shortDigest).h5"), quantizer, file(recipe.name + ".safetensors")
    )
  }

  /// The artefact of a recipe where it is finished; nil where it, or its set, is still to be made.
  func finished(_ title: String, _ recipe: PreparedRecipe) throws -> Variant? {
    let place = try place(of: recipe)
    guard let set = try? place.calibration.open(place.set, session: session),
      place.quantizer.isDone(place.artefact, set: set)
    else {
      return nil
    }
    return try variant(
      title, recipe: recipe.name, ModelSource.open(place.artefact, assets: session.assets), cost: nil)
  }

  /// The artefact of a recipe, used again where it is what quantising would write.
  func artefact(_ recipe: PreparedRecipe) throws -> (path: String, cost: WorkCost?) {
    let (calibration, setPath, quantizer, path) = try place(of: recipe)
    let gatherer = try calibration.gatherer()
    let set = try calibration.openOrMake(setPath, gathering: gatherer, session: session)
    let costPath = file(recipe.name + ".cost.json")
    if !quantizer.isDone(path, set: set) {
      session.console.note("quantising: \(recipe.name)")
      let meter = WorkCost.Meter()
      _ = try quantizer.make(path, set: set, gathered: gatherer, session: session) { digest in
        try meter.cost.write(to: costPath, digest: digest)
      }
    } else {
      try quantizer.clean(path, set: set, session: session)
    }
    return (path, WorkCost.read(costPath, digest: try Digest.sha256(file: path)))
  }

  private func variant(
    _ title: String, recipe: String?, _ source: ModelSource, cost: WorkCost?
  ) throws -> Variant {
    let plans = try size.seeds.map {
      try SamplingPlan(
        source: source, sampler: sampler, executor: source.defaultExecutor, seed: $0, guidance: guidance)
    }
    let name = recipe ?? "float"
    return Variant(
      title: title, recipe: recipe, source: source, cost: cost,
      samplers: try plans.map {
        try $0.imageSampler(last: IndexRange.limit, compute: compute, console: session.console)
      },
      stores: plans.map { plan in
        plan.store(in: run, subfolder: inside(size.seeds.count == 1 ? name : joined(name, "seed-\(plan.seed)")))
      })
  }

  // MARK: Measuring

  private func pairs(_ float: Variant, _ variant: Variant) throws -> PairedComparison {
    var comparison = PairedComparison(shape: float.stores[0].shape)
    for (reference, store) in zip(float.stores, variant.stores) {
      try reference.compare(with: store, images, into: &comparison)
    }
    return comparison
  }

  private func stepErrors(_ float: Variant, _ variant: Variant) throws -> [SignalToNoise] {
    let errors = StepErrors(
      float: float.samplers[0], quantized: [("\(variant.name) \(variant.source.digest)", variant.samplers[0].denoiser)])
    return try errors.measure(
      0...(size.comparedImages - 1), journal: file("\(variant.name).steps.jsonl"), session: session)[0]
  }

  /// Of the decoders, on the ends of the float model's trajectories; nil for pixel models.
  private func decoding(_ variants: [Variant]) throws -> [DecoderFigures]? {
    let decoders = variants.compactMap(\.samplers[0].decoder)
    guard decoders.count == variants.count else { return nil }
    let latents = try variants[0].samplers[0].ends(
      of: 0..<min(size.comparedImages, DecoderFigures.mostLatents), title: "sampling latents", session: session)
    return try DecoderFigures.measure(decoders, on: latents, rounds: size.timingRounds, session: session)
  }

  /// By variant, then seed.
  private func distances(_ variants: [Variant]) throws -> [[FrechetDistance]] {
    guard let reference else { return variants.map { _ in [] } }
    try OpenBLAS.requireMemory(threads: compute.pool.threads)
    let scoring = try FeatureScoring(ScoringOptions(), session: session, compute: compute)
    let target = try scoring.statistics(of: reference, session: session)
    return try variants.map { variant in
      try variant.stores.map { store in
        let drawn = try ImageSelection(ImageSources.open(store.folder), indices: images)
        let statistics = try scoring.accumulate(drawn, session: session).main.statistics()
        return try FrechetDistance.compute(statistics, target, names: (variant.name, stem(of: reference)))
      }
    }
  }
}
