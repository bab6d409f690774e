import Diffusion
import Formats
import Foundation
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

  static let model = "fashion-mnist-ddpm"
  static let reference = "fashion-mnist-classifier/statistics-test.npz"
  private static let recipes: [(title: String, recipe: String)] = [
    ("W8A8, Halftone", "halftone-w8a8"), ("W4A8, Halftone", "halftone-w4a8"), ("W4A8, TFMQ-DM", "tfmq-w4a8"),
    ("W4A8, round to nearest", "rtn-w4a8"),
  ]
  private static let gridColumns = 12

  package func run(_ session: Session) throws {
    let size = isQuick ? DemoSize.quick : .full
    let compute = try Compute(threads: threads, batch: batch)
    let float = try ModelSource.open(Self.model, assets: session.assets)
    let recipes = try Self.recipes.map { try prepare($0.recipe, size, float, session.assets) }
    let run = try openFolder(float, recipes, size, compute, session)

    let sampler = try float.sampler(.named(size.sampler), assets: session.assets).sampler
    let comparison = VariantComparison(
      float: float, sampler: sampler, size: size.comparison,
      reference: joined(session.assets.folder(.model), Self.reference), run: run, compute: compute, session: session)
    let variants = try comparison.variants(zip(Self.recipes, recipes).map { ($0.title, $1) })
    let report = DemoReport(
      model: Self.model, size: size, steps: try sampler.steps(for: try float.process).count,
      rows: try comparison.rows(variants), kernels: compute.kernels.name, threads: compute.pool.threads)
    try finish(report, variants, run, session)
  }

  // MARK: Steps

  private func prepare(
    _ name: String, _ size: DemoSize, _ float: ModelSource, _ assets: Assets
  ) throws -> PreparedRecipe {
    var recipe = try PreparedRecipe(name, for: float, assets: assets).recipe
    recipe.sampler = .named(size.sampler)
    recipe = isQuick ? recipe.scaled(to: .fast).recipe : recipe.scaled(by: DemoSize.share).recipe
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
      "recipes": .map(recipes.map { .init($0.name, $0.recipe.encode()) }), "images": .integer(size.comparison.images),
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

  private func finish(
    _ report: DemoReport, _ variants: [VariantComparison.Variant], _ run: RunFolder, _ session: Session
  ) throws {
    let row = Array(0..<Self.gridColumns)
    let comparison = try variants.flatMap { variant in try row.map(variant.stores[0].readShown) }
    try PNG.write(
      ImageGrid.compose(comparison, rows: variants.count, columns: Self.gridColumns), to: run.file("grid.png"))
    for variant in variants {
      try variant.stores[0].writeGrid(
        of: 0...63, shape: GridShape(rows: 8, columns: 8), to: run.file("grid-\(variant.name).png"))
    }
    let text = report.table.markdown + "\n\n" + report.legend + "\n"
    try AtomicFile.write(text, to: run.file("report.md"))
    try AtomicFile.write(JSONWriter.pretty(report.value), to: run.file("report.json"))
    run.log.info("finished")
    if json { return try session.console.result(json: report.value) }
    try session.console.result(text)
    try session.console.result("Rows of \(run.file("grid.png")): \(variants.map(\.title).joined(separator: "; ")).")
    for variant in variants {
      try session.console.result("\(variant.title): \(run.file("grid-\(variant.name).png"))")
    }
    try session.console.result("Report: \(run.file("report.md")), \(run.file("report.json"))")
  }
}
