import Diffusion
import Evaluation
import Formats
import Foundation
import Models
import Quantization
import Tensors

/// `demo`: the whole point on the embedded model: quantise, sample at equal seeds, score, one table.
package struct DemoCommand: Sendable {
  package var isQuick: Bool
  package var out: String?
  package var threads: Int
  package var batch: Int
  package var json: Bool

  package init(isQuick: Bool, out: String?, threads: Int, batch: Int, json: Bool) {
    self.isQuick = isQuick
    self.out = out
    self.threads = threads
    self.batch = batch
    self.json = json
  }

  private static let model = "fashion-mnist-ddpm"
  private static let reference = "fashion-mnist-classifier/statistics-test.npz"
  private static let recipes: [(title: String, recipe: String)] = [
    ("W8A8, TFMQ", "tfmq-w8a8"), ("W4A8, TFMQ", "tfmq-w4a8"), ("W4A8, round to nearest", "rtn-w4a8"),
  ]
  private static let seed: UInt64 = 0
  private static let gridColumns = 12

  /// One of the models that are compared.
  private struct Variant {
    let title: String
    let recipe: String?
    let source: ModelSource
    let sampler: ImageSampler
    let store: ImageStore
    var folder: String { recipe ?? "float" }
  }

  package func run(_ session: Session) throws {
    let size = isQuick ? DemoSize.quick : .full
    let compute = try Compute(threads: threads, batch: batch)
    let float = try ModelSource.open(Self.model, assets: session.assets)
    let recipes = try Self.recipes.map { try prepare($0.recipe, size, float, session.assets) }
    let run = try openFolder(float, recipes, size, compute, session)

    let sampler = try float.sampler(named: size.sampler, assets: session.assets)
    var variants = [try variant("float", nil, float, sampler, run, compute)]
    for (recipe, entry) in zip(recipes, Self.recipes) {
      let path = try quantize(recipe, of: float, in: run, compute, session)
      let source = try ModelSource.open(path, assets: session.assets)
      variants.append(try variant(entry.title, recipe.name, source, sampler, run, compute))
    }
    let images = 0...(size.images - 1)
    for variant in variants {
      _ = try variant.sampler.draw(
        images, into: variant.store, title: "sampling \(variant.folder)", session: session, log: run.log)
    }
    let errors = try StepErrors(
      float: variants[0].sampler,
      quantized: variants.dropFirst().map { ($0.folder, $0.sampler.denoiser) }
    ).measure(0...(size.comparedImages - 1), journal: run.file("steps.jsonl"), session: session)
    let times = try InterleavedTiming.medians(variants.map(\.sampler), rounds: size.timingRounds, session: session)
    let distances = try score(variants, images, compute, session)

    let rows = try variants.enumerated().map { position, variant in
      DemoReport.Row(
        title: variant.title, recipe: variant.recipe, bytes: variant.source.weightsFileBytes,
        milliseconds: times[position], frechet: distances[position],
        quality: position == 0 ? nil : try variants[0].store.comparison(with: variant.store, images).quality,
        epsilonSNR: position == 0 ? nil : meanDecibels(of: errors[position - 1]))
    }
    let report = DemoReport(
      model: Self.model, size: size, steps: try sampler.steps(for: float.process).count, rows: rows,
      kernels: compute.kernels.name, threads: compute.pool.threads)
    try finish(report, variants, run, session)
  }

  // MARK: Steps

  private func prepare(
    _ name: String, _ size: DemoSize, _ float: ModelSource, _ assets: Assets
  ) throws -> PreparedRecipe {
    var recipe = try PreparedRecipe(name, for: float, assets: assets).recipe
    recipe.sampler = .named(size.sampler)
    recipe.calibration.trajectories = size.calibrationTrajectories
    return try PreparedRecipe(name: name, recipe, for: float, assets: assets)
  }

  /// The demo's folder. Results of another build or other settings are no use to it, so it begins anew over them.
  private func openFolder(
    _ float: ModelSource, _ recipes: [PreparedRecipe], _ size: DemoSize, _ compute: Compute, _ session: Session
  ) throws -> RunFolder {
    let path = out ?? joined("outputs", isQuick ? "demo-quick" : "demo")
    let identity: ConfigurationValue = [
      "program": .string("sha256:" + (try Digest.sha256(file: executablePath))), "model": .string(float.digest),
      "recipes": .map(recipes.map { .init($0.name, $0.recipe.encode()) }), "images": .integer(size.images),
      "sampler": .string(size.sampler), "instruction_set": .string(compute.kernels.name),
    ]
    func open() throws -> RunFolder {
      try RunFolder(path, command: "demo", identity: identity, arguments: session.arguments)
    }
    do { return try open() } catch RunError.differs(_, let differences)
      where !differences.contains(where: { $0.key == "command" })
    {
      session.console.note("\(path) holds the demo of another build or other settings; beginning anew")
      try FileManager.default.removeItem(atPath: path)
      return try open()
    }
  }

  private func quantize(
    _ recipe: PreparedRecipe, of float: ModelSource, in run: RunFolder, _ compute: Compute, _ session: Session
  ) throws -> String {
    session.console.note("quantising: \(recipe.name)")
    let calibration = try CalibrationRun(source: float, prepared: recipe, compute: compute)
    let set = try calibration.openOrMake(run.file("calibration.h5"), session: session)
    let path = run.file(recipe.name + ".safetensors")
    let quantizer = Quantizer(source: float, prepared: recipe, compute: compute)
    if !quantizer.isDone(path, set: set) { _ = try quantizer.make(path, set: set, session: session) }
    return path
  }

  private func variant(
    _ title: String, _ recipe: String?, _ source: ModelSource, _ sampler: any Sampler, _ run: RunFolder,
    _ compute: Compute
  ) throws -> Variant {
    let plan = try SamplingPlan(
      source: source, sampler: sampler, executor: source.defaultExecutor, seed: Self.seed)
    return Variant(
      title: title, recipe: recipe, source: source,
      sampler: try plan.imageSampler(last: IndexRange.limit, compute: compute),
      store: plan.store(in: run, subfolder: recipe ?? "float"))
  }

  private func score(
    _ variants: [Variant], _ images: ClosedRange<Int>, _ compute: Compute, _ session: Session
  ) throws -> [FrechetDistance] {
    let scoring = try FeatureScoring(named: nil, assets: session.assets, compute: compute)
    let path = joined(session.assets.folder(.model), Self.reference)
    let reference = try scoring.statistics(of: path, session: session)
    return try variants.map { variant in
      let statistics = try scoring.statistics(of: variant.store.folder, session: session)
      return try FrechetDistance.compute(statistics, reference, names: (variant.folder, "the test images"))
    }
  }

  private func finish(
    _ report: DemoReport, _ variants: [Variant], _ run: RunFolder, _ session: Session
  ) throws {
    let row = Array(0..<Self.gridColumns)
    let comparison = try variants.flatMap { variant in try row.map(variant.store.read) }
    try PNG.write(
      ImageGrid.compose(comparison, rows: variants.count, columns: Self.gridColumns), to: run.file("grid.png"))
    for variant in variants {
      let images = try (0..<64).map(variant.store.read)
      try PNG.write(
        ImageGrid.compose(images, rows: 8, columns: 8), to: run.file("grid-\(variant.folder).png"))
    }
    let text = report.table.markdown + "\n\n" + report.legend + "\n"
    try AtomicFile.write(text, to: run.file("report.md"))
    try AtomicFile.write(JSONWriter.pretty(report.value), to: run.file("report.json"))
    run.log.info("finished")
    if json { return try session.console.result(JSONWriter.compact(report.value)) }
    try session.console.result(text)
    try session.console.result("Rows of \(run.file("grid.png")): \(variants.map(\.title).joined(separator: "; ")).")
    for variant in variants {
      try session.console.result("\(variant.title): \(run.file("grid-\(variant.folder).png"))")
    }
    try session.console.result("Report: \(run.file("report.md")), \(run.file("report.json"))")
  }
}
