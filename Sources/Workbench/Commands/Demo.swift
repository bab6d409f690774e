import Diffusion
import Formats
import Foundation
import Quantization
import Tensors

/// `demo`: the whole point on the embedded models: quantise, sample at equal seeds, score, a table for each.
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

  /// A part with everything that can be checked before long work.
  private struct Prepared {
    let part: DemoPart
    let float: ModelSource
    let recipes: [PreparedRecipe]
    let decoder: DecoderQuantizer?
    let sampler: any Sampler
  }

  package func run(_ session: Session) throws {
    let compute = try Compute(threads: threads, batch: batch)
    let parts = try DemoPart.all(isQuick: isQuick).map { try prepare($0, compute, session.assets) }
    let run = try openFolder(parts, compute, session)
    let page = ReportBuilder(session, compute: compute, floats: parts.map(\.float))
    var reports: [DemoReport] = []
    var pictures: [(path: String, what: String)] = []
    for prepared in parts {
      let part = prepared.part
      let comparison = VariantComparison(
        float: prepared.float, sampler: prepared.sampler, guidance: part.guidance, decoder: prepared.decoder,
        size: part.size, reference: joined(session.assets.folder(.model), DemoPart.reference), run: run,
        subfolder: part.subfolder, compute: compute, session: session)
      let variants = try comparison.variants(zip(part.recipes, prepared.recipes).map { ($0.title, $1) })
      let report = DemoReport(
        part: part, sampler: prepared.sampler,
        steps: try prepared.sampler.plan(for: try prepared.float.process).stepCount,
        rows: try comparison.rows(variants), kernels: compute.kernels.name, threads: compute.pool.threads)
      reports.append(report)
      pictures += try draw(variants, of: part, run)
      try page.add(run.path, own: ["parts": [report.value]])
      try page.addStrip(variants.map { ($0.title, $0.samplers[0]) })
    }
    try finish(reports, pictures, page, run, session)
  }

  // MARK: Steps

  private func prepare(_ part: DemoPart, _ compute: Compute, _ assets: Assets) throws -> Prepared {
    let float = try ModelSource.open(part.model, assets: assets)
    let recipes = try part.recipes.map { entry in
      var recipe = try NamedRecipe(entry.recipe, assets: assets).recipe
      recipe = isQuick ? recipe.scaled(to: .fast).recipe : recipe.scaled(by: DemoPart.share).recipe
      recipe.calibration.trajectories = part.calibrationTrajectories
      return try PreparedRecipe(name: entry.recipe, recipe, for: float, sampler: part.sampler, assets: assets)
    }
    return Prepared(
      part: part, float: float, recipes: recipes,
      decoder: try part.decoderRecipe.map {
        try DecoderQuantizer(
          source: float, prepared: PreparedRecipe(decoder: $0, for: float, sampler: part.sampler, assets: assets),
          compute: compute, guidance: part.guidance)
      }, sampler: recipes[0].sampler)
  }

  /// The demo's folder. Results of another build or other settings are no use to it, so it begins anew over them.
  private func openFolder(_ parts: [Prepared], _ compute: Compute, _ session: Session) throws -> RunFolder {
    let path = out ?? joined("outputs", isQuick ? "demo-quick" : "demo")
    let identity: ConfigurationValue = [
      "program": .string("sha256:" + (try Digest.sha256(file: executablePath))),
      "parts": .list(
        parts.map { prepared in
          let recipes = prepared.recipes + (prepared.decoder.map { [$0.prepared] } ?? [])
          return [
            "model": .string(prepared.float.digest), "images": .integer(prepared.part.size.images),
            "sampler": prepared.sampler.configuration,
            "recipes": .map(recipes.map { .init($0.name, $0.recipe.encode()) }),
          ]
        }), "instruction_set": .string(compute.kernels.name),
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

  /// A picture of all variants, and one of each.
  private func draw(
    _ variants: [VariantComparison.Variant], of part: DemoPart, _ run: RunFolder
  ) throws -> [(path: String, what: String)] {
    func file(_ name: String) -> String { run.file(part.subfolder.map { joined($0, name) } ?? name) }
    let titles = variants.map(\.title).joined(separator: "; ")
    let columns = part.gridColumns
    let all = file("grid.png")
    var made: [(path: String, what: String)] = []
    if part.rowsAreClasses {
      let classes = variants[0].source.conditioning.labels.count
      // Image i is of class i modulo their number.
      let cells = try (0..<classes).flatMap { label in
        try variants.flatMap { variant in
          try (0..<columns).map { try variant.stores[0].readShown(label + classes * $0) }
        }
      }
      let names = variants.flatMap { [$0.title] + [String](repeating: "", count: columns - 1) }
      let layout = GridLayout.shown(
        cells[0].shape, rows: classes, columns: columns * variants.count, rowNames: (0..<classes).map { "\($0)" },
        columnNames: names)
      try PNG.write(ImageGrid.compose(cells, layout), to: all)
      made.append((all, "a row for each class; \(columns) columns each: \(titles)"))
    } else {
      let cells = try variants.flatMap { variant in try (0..<columns).map(variant.stores[0].readShown) }
      let layout = GridLayout.shown(
        cells[0].shape, rows: variants.count, columns: columns, rowNames: variants.map(\.title),
        columnNames: (0..<columns).map { "\($0)" })
      try PNG.write(ImageGrid.compose(cells, layout), to: all)
      made.append((all, "rows: \(titles)"))
    }
    for variant in variants {
      let path = file("grid-\(variant.name).png")
      try variant.stores[0].writeGrid(
        of: 0...(min(64, part.size.images) - 1), shape: GridShape(rows: 8, columns: 8), to: path)
      made.append((path, variant.title))
    }
    return made
  }

  private func finish(
    _ reports: [DemoReport], _ pictures: [(path: String, what: String)], _ page: ReportBuilder, _ run: RunFolder,
    _ session: Session
  ) throws {
    let text = reports.map(\.text).joined(separator: "\n")
    let value: ConfigurationValue = ["schema": 2, "parts": .list(reports.map(\.value))]
    try AtomicFile.write(text, to: run.file("report.md"))
    // The layers of the model that deviates most are measured.
    try page.analyse(onlyWorst: true)
    try page.write(run.file("report.html"), own: value)
    run.log.info("finished")
    if json { return try session.console.result(json: value) }
    try session.console.result(text)
    for picture in pictures { try session.console.result("\(picture.path): \(picture.what)") }
    try session.console.result(
      "Report: \(run.file("report.html")), \(run.file("report.md")), \(run.file("report.json"))")
  }
}
