/// Which layers make the error: by themselves, and as it accumulates.
struct LayersSection {
  private let document: ReportDocument
  private let dataFile: String

  init(_ document: ReportDocument, dataFile: String) {
    self.document = document
    self.dataFile = dataFile
  }

  private static let shown = 12
  private static let named = 8
  private static let carried = 0.8
  /// Colours span this many decibels below the largest error.
  private static let span = 50.0

  var view: SectionView? {
    let quantized = document.variants.filter(\.isQuantized)
    let analysed = quantized.filter { $0.analysis != nil }
    if quantized.isEmpty { return nil }
    if analysed.isEmpty {
      return SectionView(
        id: "layers", title: "Layers",
        introduction: ["Not measured yet: 'halftone report RUN --analyse' finds the layers that make the error."],
        blocks: [])
    }
    // The worst one stands open.
    let worst = analysed.min { ($0.meanDecibels ?? .infinity) < ($1.meanDecibels ?? .infinity) }?.name
    return SectionView(
      id: "layers", title: "Layers",
      introduction: (analysed.count < quantized.count
        ? ["Measured of the model below; 'halftone report RUN --analyse' measures the others, too."] : []) + [
          "Isolated errors come from the float network with this layer's weight, or its input, alone quantised. The accumulated "
            + "error is that of what reaches the layer in the quantised network. All are squared errors over squared values."
        ],
      blocks: analysed.map { variant in
        .details(
          Findings.layers(of: variant) ?? "\(variant.title): no layer has an error", isOpen: variant.name == worst,
          blocks(variant))
      })
  }

  private func blocks(_ variant: ReportVariant) -> [BlockView] {
    guard let analysis = variant.analysis else { return [] }
    let shares = analysis.shares
    var blocks: [BlockView] = []
    if !shares.isEmpty {
      blocks.append(.figure("Share of the error", bars(variant, shares)))
      blocks += fix(variant, shares)
    }
    blocks += maps(variant, analysis)
    return blocks
  }

  private func bars(_ variant: ReportVariant, _ shares: [ReportAnalysis.Share]) -> SVG {
    BarChart(
      description: "Share of the error of \(variant.title) by layer",
      title: "share of each step's isolated errors, mean over steps, %",
      parts: ["weight", "input"],
      rows: shares.prefix(Self.shown).map { share in
        .init(
          name: share.path, values: [100 * share.weightShare, 100 * (share.share - share.weightShare)],
          note: "\(fixed(100 * share.share, 1)) %")
      }
    ).drawing
  }

  /// The worst layers as a recipe's section, and the command that does it.
  private func fix(_ variant: ReportVariant, _ shares: [ReportAnalysis.Share]) -> [BlockView] {
    var (sum, count) = (0.0, 0)
    for share in shares.prefix(Self.named) where sum < Self.carried { (sum, count) = (sum + share.share, count + 1) }
    let width = shares.prefix(count).map { $0.pattern.count + 3 }.max() ?? 0
    let lines = shares.prefix(count).map { share -> String in
      let quoted = share.pattern.contains(":") ? "\"\(share.pattern)\"" : share.pattern
      return
        "  - \(quoted)\(String(repeating: " ", count: max(width - quoted.count, 1)))# \(fixed(100 * share.share, 1)) %"
    }
    let command = [
      "halftone", "quantize", variant.source ?? "MODEL", "--from", dataFile, "--recipe", variant.name, "--fix",
      "\(count)",
    ]
    return [
      .code("To leave these layers in float, add to the recipe:", "float_layers:\n" + lines.joined(separator: "\n")),
      .code("Or let the program do it:", shellCommand(command)),
    ]
  }

  private func maps(_ variant: ReportVariant, _ analysis: ReportAnalysis) -> [BlockView] {
    typealias Values = (ReportAnalysis.Layer) -> [Double?]?
    let kinds: [(title: String, values: Values)] = [
      ("Isolated error of weights", { $0.weight?.map(ReportAnalysis.decibels) }),
      ("Isolated error of inputs", { $0.activation?.map(ReportAnalysis.decibels) }),
      ("Accumulated error", { $0.accumulated?.map { $0.flatMap(ReportAnalysis.decibels) } }),
    ]
    let columns = analysis.steps.map { "step \($0)" }
    // Weights and inputs share one scale, so that they can be compared.
    let isolated = kinds.prefix(2).flatMap { kind in
      analysis.layers.flatMap { kind.values($0)?.compactMap { $0 } ?? [] }
    }
    return kinds.enumerated().compactMap { position, kind in
      let rows = analysis.layers.compactMap { layer in kind.values(layer).map { (layer.path, $0) } }
      let own = rows.flatMap { $0.1.compactMap { $0 } }
      guard let largest = (position < 2 ? isolated : own).max(), !own.isEmpty else { return nil }
      let smallest = max((position < 2 ? isolated : own).min() ?? largest, largest - Self.span)
      let map = HeatMap(
        description: "\(kind.title) of \(variant.title), layers by steps",
        columnTitle: "sampling step, the noisiest first",
        columns: columns, rows: rows.map { (name: $0.0, values: $0.1) }, unit: "dB",
        keyTitle: "relative squared error, dB",
        range: smallest...max(largest, smallest + 1))
      return .figure(kind.title, map.drawing, caption: "Layers in the order of the network; lighter is worse.")
    }
  }
}
