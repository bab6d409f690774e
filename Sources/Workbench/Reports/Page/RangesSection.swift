/// Ranges of activations along the trajectory, and how values fall on their grids.
struct RangesSection {
  private let document: ReportDocument
  init(_ document: ReportDocument) { self.document = document }

  var view: SectionView? {
    let analysed = document.variants.filter { !($0.analysis?.histograms.isEmpty ?? true) }
    if analysed.isEmpty { return nil }
    return SectionView(
      id: "ranges", title: "Ranges and grids",
      introduction: [
        "Of the layers with the largest errors: what values reach them at each step beside the range of their grid, and how often "
          + "values fall on and between codes. Where one grid serves all steps, it is as wide as the widest step needs."
      ],
      blocks: analysed.enumerated().map { position, variant in
        .details(variant.title, isOpen: position == 0 && analysed.count == 1, blocks(variant))
      })
  }

  private func blocks(_ variant: ReportVariant) -> [BlockView] {
    guard let analysis = variant.analysis else { return [] }
    let ranges = analysis.ranges.map { ranges in
      BlockView.figure(
        ranges.site,
        RangeChart(
          description: "Values at \(ranges.site) at each step", lower: ranges.lower, upper: ranges.upper,
          gridLower: ranges.gridLower, gridUpper: ranges.gridUpper
        ).drawing,
        caption: ranges.gridLower.count == 1
          ? "Orange: smallest to largest value. Blue: one grid for all steps."
          : "Orange: smallest to largest value. Blue: a grid for each step.", isHalf: true)
    }
    let histograms = analysis.histograms.map { histogram in
      BlockView.figure(
        histogram.site,
        HistogramChart(
          description: "Values at \(histogram.site) on their grid", title: "code, in steps of the grid",
          codes: histogram.firstCode...max(histogram.lastCode, histogram.firstCode + 1), counts: histogram.counts,
          largestCode: histogram.largestCode
        ).drawing,
        caption:
          "\(histogram.largestCode + 1) codes; \(fixed(100 * histogram.clipped, 3)) % of the values are clipped.",
        isHalf: true)
    }
    return ranges + histograms
  }
}
