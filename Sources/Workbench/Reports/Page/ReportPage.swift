/// A report as one HTML file that needs nothing else: pictures are in it, charts are drawn in it, and there are no scripts.
package struct ReportPage {
  private let document: ReportDocument

  package init(_ document: ReportDocument) { self.document = document }

  /// - Parameter dataFile: name of the data beside the page.
  package func html(dataFile: String = "report.json") throws -> String {
    let sections: [SectionView?] = [
      OverviewSection(document).view, ImagesSection(document).view, StripSection(document).view,
      StepsSection(document).view, LayersSection(document, dataFile: dataFile).view, RangesSection(document).view,
      SizesSection(document).view, CalibrationSection(document).view, ProvenanceSection(document).view,
    ]
    return try PageTemplate.render(
      PageView(
        title: document.title, style: PageStyle.text, kinds: document.commands.joined(separator: ", "),
        program: "halftone \(halftoneVersion)", dataFile: dataFile, summary: document.summary,
        sections: sections.compactMap { $0 }, notes: document.notes))
  }
}

/// A figure as pages show it; what is not known is left open.
func shown(_ value: Double?, _ digits: Int, _ unit: String = "") -> String {
  value.map { fixed($0, digits) + (unit.isEmpty ? "" : " " + unit) } ?? ""
}
