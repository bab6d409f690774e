/// All models in one table, and where quality meets size and time.
struct OverviewSection {
  private let document: ReportDocument
  private var variants: [ReportVariant] { document.variants }

  init(_ document: ReportDocument) { self.document = document }

  var view: SectionView? {
    if variants.isEmpty, document.scores.isEmpty { return nil }
    var blocks: [BlockView] = []
    if !document.scores.isEmpty { blocks.append(.table(scores)) }
    if !variants.isEmpty { blocks.append(.table(table)) }
    var groups: [String] = []
    for variant in variants where !groups.contains(variant.group) { groups.append(variant.group) }
    for group in groups {
      let members = variants.filter { $0.group == group }
      let title = groups.count > 1 ? ", \(group)" : ""
      blocks += [sizeChart(members, title), timeChart(members, title)].compactMap { $0 }
    }
    return SectionView(id: "overview", title: "Overview", introduction: introduction, blocks: blocks)
  }

  private var introduction: [String] {
    var out: [String] = []
    if variants.contains(where: { $0.psnrMean != nil }) {
      out.append(
        "PSNR and SSIM compare images with the float model's at equal seeds; epsilon SNR compares predicted noise on the float "
          + "model's own states, averaged over the steps. More is better.")
    }
    if let title = variants.compactMap(\.distanceTitle).first {
      out.append("The distance is the \(title); less is better.")
    }
    return out
  }

  private typealias Column = (title: String, isNumber: Bool, text: (ReportVariant) -> String)

  /// Columns that nothing is known of are left out.
  private var table: TableView {
    let columns: [Column] = [
      ("model", false, { $0.title }),
      ("file", true, { $0.bytes.map { shown(bytes: $0) } ?? "" }),
      ("float multiplications", true, { $0.isQuantized ? shown($0.floatShare.map { 100 * $0 }, 1, "%") : "" }),
      ("ms per image and step", true, { shown($0.milliseconds, 2) }),
      ("quantised in", true, { shown($0.quantizationSeconds, 1, "s") }),
      ("peak memory", true, { $0.quantizationPeakMemory.map { shown(bytes: $0) } ?? "" }),
      ("epsilon SNR", true, { shown($0.meanDecibels, 1, "dB") }), ("PSNR", true, { shown($0.psnrMean, 2, "dB") }),
      ("PSNR of the mean error", true, { shown($0.psnrPooled, 2, "dB") }), ("SSIM", true, { shown($0.ssim, 4) }),
      ("PSNR of the decoder", true, { shown($0.decoderPSNR, 2, "dB") }),
      ("perceptual distance", true, { shown($0.perceptual, 4) }), ("distance", true, Self.distance),
    ]
    let known = columns.filter { column in variants.contains { !column.text($0).isEmpty } }
    return TableView(known.map { ($0.title, $0.isNumber) }, variants.map { variant in known.map { $0.text(variant) } })
  }

  private static func distance(_ variant: ReportVariant) -> String {
    guard let (mean, deviation) = Spread.of(variant.distances) else { return "" }
    return fixed(mean, 3) + (deviation.map { " ± \(fixed($0, 3))" } ?? "")
  }

  private var scores: TableView {
    TableView(
      [("metric", false), ("value", true), ("deviation", true), ("95 % interval", true)],
      document.scores.map { score in
        let interval = score.low.flatMap { low in score.high.map { "\(Axis.text(low)) to \(Axis.text($0))" } }
        return [score.title, fixed(score.value, 6), shown(score.deviation, 6), interval ?? ""]
      })
  }

  private func sizeChart(_ variants: [ReportVariant], _ group: String) -> BlockView? {
    let points = variants.filter(\.isQuantized).compactMap { variant -> ScatterChart.Point? in
      guard let bytes = variant.bytes, let quality = variant.psnrMean else { return nil }
      return .init(name: variant.title(in: group), x: Double(bytes) / 1e6, y: quality)
    }
    return chart(
      "Size against PSNR\(group)", points, horizontal: "file, MB", vertical: "mean PSNR to float, dB",
      largerIsBetter: true)
  }

  private func timeChart(_ variants: [ReportVariant], _ group: String) -> BlockView? {
    let points = variants.compactMap { variant -> ScatterChart.Point? in
      guard let time = variant.milliseconds, let distance = Spread.of(variant.distances)?.mean else { return nil }
      return .init(name: variant.title(in: group), x: time, y: distance)
    }
    return chart(
      "Time against distance\(group)", points, horizontal: "ms per image and step",
      vertical: "distance to the reference",
      largerIsBetter: false)
  }

  private func chart(
    _ title: String, _ points: [ScatterChart.Point], horizontal: String, vertical: String, largerIsBetter: Bool
  ) -> BlockView? {
    guard points.count > 1 else { return nil }
    let chart = ScatterChart(
      description: title, horizontalTitle: horizontal, verticalTitle: vertical, points: points,
      largerIsBetter: largerIsBetter)
    return .figure(
      title, chart.drawing,
      caption:
        "Filled marks are on the Pareto front: no other model is better in one without being worse in the other.",
      isHalf: true)
  }
}

extension ReportVariant {
  /// Its title in a chart whose own title ends in `group`, the model's name: without that.
  fileprivate func title(in group: String) -> String {
    !group.isEmpty && title.hasSuffix(group) ? String(title.dropLast(group.count)) : title
  }
}
