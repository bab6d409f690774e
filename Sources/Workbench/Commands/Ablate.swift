import Diffusion
import Formats
import Quantization
import Tensors

/// `ablate`: recipes side by side on one model: quantised, drawn at equal seeds, measured alike, in one table.
package struct AblateCommand: Sendable {
  package var model: String
  package var recipes: [String]
  package var preset: String?
  package var sampler: SamplerOptions
  package var guidance: GuidanceOptions
  /// Of the decoders of a latent model's variants; nil: they have the float model's.
  package var decoderRecipe: String?
  package var effort: Effort
  package var size: VariantComparison.Size
  package var reference: String?
  package var modelOptions: ModelOptions
  package var out: String?
  /// The part of the artefacts and images that this process makes; nil: all, and the table.
  package var shard: Shard?
  package var threads: Int
  package var batch: Int
  package var json: Bool

  package init(
    model: String, recipes: [String], preset: String?, sampler: SamplerOptions, guidance: GuidanceOptions,
    decoderRecipe: String?, effort: Effort,
    size: VariantComparison.Size,
    reference: String?, modelOptions: ModelOptions, out: String?, shard: Shard? = nil, threads: Int, batch: Int,
    json: Bool
  ) {
    self.model = model
    self.recipes = recipes
    self.preset = preset
    self.sampler = sampler
    self.guidance = guidance
    self.decoderRecipe = decoderRecipe
    self.effort = effort
    self.size = size
    self.reference = reference
    self.modelOptions = modelOptions
    self.out = out
    self.shard = shard
    self.threads = threads
    self.batch = batch
    self.json = json
  }

  private typealias Entry = (title: String, name: String, recipe: Recipe)

  package func run(_ session: Session) throws {
    let float = try session.open(model, modelOptions, holding: .packed)
    if float.quantized != nil { throw ModelSourceError.needsFloat(path: float.path, command: "ablate") }
    let entries = try entries(session.assets)
    let prepared = try prepare(entries, for: float, session)
    let compute = try Compute(threads: threads, batch: batch)
    let sampler = prepared[0].recipe.sampler
    let decoder = try decoderRecipe.map {
      try DecoderQuantizer(
        source: float,
        prepared: PreparedRecipe(decoder: $0, for: float, sampler: self.sampler, assets: session.assets),
        compute: compute, guidance: guidance)
    }
    let run = try RunFolder(
      out ?? joined("outputs", "ablate-\(float.name)-\(preset ?? "recipes")"), command: "ablate",
      // Recipes and counts may change between attempts: what is there is used for what it fits.
      identity: identity(float, sampler, compute, try guidance.setting(for: float)), arguments: session.arguments,
      shard: shard)
    let comparison = VariantComparison(
      float: float, sampler: sampler, guidance: guidance, decoder: decoder, size: size,
      reference: reference ?? standardReference(float, session.assets),
      run: run, compute: compute, session: session)
    if let shard {
      let outcome = try ShardedComparison(comparison: comparison, shard: shard).run(prepared)
      let made = outcome.recipes.isEmpty ? "no artefacts" : outcome.recipes.joined(separator: ", ")
      return try session.console.result(
        "shard \(shard): \(made); \(outcome.images) images in \(run.path) (\(outcome.drawn) drawn)")
    }
    let variants = try comparison.variants(prepared)
    let report = AblationReport(
      model: float.name, sampler: type(of: sampler).name, steps: try sampler.steps(for: try float.process), size: size,
      rows: try comparison.rows(variants), kernels: compute.kernels.name, threads: compute.pool.threads,
      command: session.command)
    try AtomicFile.write(report.text, to: run.file("report.md"))
    let page = ReportBuilder(session, compute: compute, floats: [float])
    try page.add(run.path, own: report.value)
    try page.addStrip(variants.map { ($0.title, $0.samplers[0]) })
    try page.write(run.file("report.html"), own: report.value)
    run.log.info("finished")
    if json { return try session.console.result(json: report.value) }
    try session.console.result(report.text)
    try session.console.result(
      "Report: \(run.file("report.html")), \(run.file("report.md")), \(run.file("report.json"))")
  }

  private func identity(
    _ float: ModelSource, _ sampler: any Sampler, _ compute: Compute, _ guidance: GuidanceSetting?
  ) -> ConfigurationValue {
    let identity: ConfigurationValue = [
      "model": .string(float.digest), "sampler": sampler.configuration,
      "instruction_set": .string(compute.kernels.name),
    ]
    return guidance.map { identity.setting("guidance", $0.encode()) } ?? identity
  }

  /// `all` alone stands for every shipped recipe.
  package static func chosen(_ recipes: [String], _ assets: Assets) throws -> [String] {
    recipes == ["all"] ? try assets.names(.recipe) : recipes
  }

  /// The recipes to compare, as they are written.
  private func entries(_ assets: Assets) throws -> [Entry] {
    guard recipes.isEmpty != (preset == nil) else { throw AblationError.selection }
    guard let preset else {
      let named = try Self.chosen(recipes, assets).map { text -> Entry in
        let named = try NamedRecipe(text, assets: assets)
        return (named.name, named.name, named.recipe)
      }
      let names = named.map(\.name)
      let twice = Set(names.filter { name in names.count { $0 == name } > 1 })
      if !twice.isEmpty { throw AblationError.sameName(twice.sorted()) }
      return named
    }
    guard let found = AblationPreset.all.first(where: { $0.name == preset }) else {
      throw AblationError.unknownPreset(preset, known: AblationPreset.all.map(\.name))
    }
    let path = try assets.path(.recipe, found.recipe)
    let base = try YAML.read(path)
    return try found.rows.map { row in
      let value = row.changes.reduce(base) { $0.setting($1.key, $1.value) }
      return (row.title, "\(preset)-\(row.name)", try Recipe(value, file: "\(path), \(row.title)"))
    }
  }

  /// All of them for one sampler, and every check that can be made before long work.
  private func prepare(
    _ entries: [Entry], for float: ModelSource, _ session: Session
  ) throws -> [(title: String, recipe: PreparedRecipe)] {
    let prepared = try entries.map { entry in
      _ = try entry.recipe.selection(in: float.model.graph)
      let prepared = try PreparedRecipe(
        name: entry.name, entry.recipe, for: float, sampler: sampler, assets: session.assets)
      return (entry.title, prepared.scaled(to: effort, console: session.console))
    }
    if prepared.contains(where: { $0.1.sampler.configuration != prepared[0].1.sampler.configuration }) {
      throw AblationError.samplersDiffer(
        prepared.map { "\($0.1.name): \(type(of: $0.1.sampler).name), \($0.1.steps.count) steps" })
    }
    session.console.notes(try float.schedule.notes + (prepared.first?.1.notes ?? []))
    return prepared
  }

  /// The embedded models are measured against the test images of what they were trained on.
  private func standardReference(_ float: ModelSource, _ assets: Assets) -> String? {
    let folder = assets.folder(.model)
    let isEmbedded = DemoPart.models.contains { name in
      [float.path, parentFolder(of: float.path)].contains(joined(folder, name))
    }
    return isEmbedded ? joined(folder, DemoPart.reference) : nil
  }
}
