/// What the calibration saw.
struct CalibrationSection {
  private let document: ReportDocument
  init(_ document: ReportDocument) { self.document = document }

  var view: SectionView? {
    let variants = document.variants.filter { $0.calibration != nil }
    if variants.isEmpty { return nil }
    let lines = variants.compactMap { variant in variant.calibration.map { sentence(variant.title, $0) } }
    // Equal counts at every step need no picture.
    let uneven = variants.filter { Set($0.calibration?.counts ?? []).count > 1 }
    let chart = LineChart(
      description: "Calibration samples at each step", horizontalTitle: "step", verticalTitle: "samples",
      series: uneven.map { .init(name: $0.title, values: ($0.calibration?.counts ?? []).map { Double($0) }) })
    return SectionView(
      id: "calibration", title: "Calibration", introduction: lines,
      blocks: uneven.isEmpty ? [] : [.figure("Samples at each step", chart.drawing)])
  }

  private func sentence(_ title: String, _ coverage: ReportCoverage) -> String {
    let filled = coverage.counts.filter { $0 > 0 }
    let total = coverage.counts.reduce(0, +)
    let spread =
      Set(filled).count == 1
      ? "\(filled[0]) at each of \(filled.count)"
      : "\(filled.min() ?? 0) to \(filled.max() ?? 0) at each of \(filled.count)"
    return "\(title): \(shown(count: total)) samples of \(coverage.trajectories) trajectories, distribution "
      + "\(coverage.distribution): \(spread) of \(coverage.counts.count) steps."
  }
}

/// Where everything comes from, and how to make it again.
struct ProvenanceSection {
  private let document: ReportDocument
  init(_ document: ReportDocument) { self.document = document }

  var view: SectionView? {
    if document.provenance.isEmpty { return nil }
    var blocks: [BlockView] = document.provenance.flatMap { entry -> [BlockView] in
      let facts = BlockView.facts(entry.facts.map { .init(name: $0.name, value: $0.value) })
      let command = entry.command.map { [BlockView.code("To make it again:", $0)] } ?? []
      return command + [.details("\(entry.title): settings and machine", [facts])]
    }
    for variant in document.variants {
      guard let recipe = variant.recipe else { continue }
      var parts: [BlockView] = []
      if !recipe.changes.isEmpty {
        parts.append(
          .code("Used otherwise than in \(recipe.file ?? "the file"):", recipe.changes.joined(separator: "\n")))
      }
      parts.append(.code(recipe.file ?? "As the model's file holds it", recipe.text))
      blocks.append(.details("Recipe of \(variant.title)", parts))
    }
    return SectionView(id: "provenance", title: "Provenance", introduction: [], blocks: blocks)
  }
}
