import Foundation
import Testing
import Workbench

/// The page needs nothing else and lets no text become markup.
@Suite struct ReportPageTests {
  @Test func hasEverySectionAndNothingFromElsewhere() throws {
    let html = try ReportPage(SampleReport.document).html(dataFile: "report.json")
    for id in ["overview", "images", "strip", "steps", "layers", "ranges", "sizes", "calibration", "provenance"] {
      #expect(html.contains("<section id=\"\(id)\">"), "\(id)")
      #expect(html.contains("href=\"#\(id)\""), "\(id)")
    }
    // Links lead into the page or to its data; images are in it; there are no scripts.
    for marker in ["http:", "https:", "//", "<script", "@import", "javascript:"] {
      #expect(!html.contains(marker), "\(marker)")
    }
    for attribute in ["src=\"", "href=\"", "url("] {
      for part in html.components(separatedBy: attribute).dropFirst() {
        #expect(
          part.hasPrefix("data:image/png;base64,") || part.hasPrefix("#") || part.hasPrefix("report.json"),
          "\(attribute)\(part.prefix(40))")
      }
    }
    #expect(!html.contains("{{"))
    #expect(html.contains("prefers-color-scheme:dark") && html.contains("@media print"))
  }

  @Test func everyOpenedElementIsClosed() throws {
    let html = try ReportPage(SampleReport.document).html()
    for name in [
      "section", "details", "table", "tr", "td", "th", "figure", "svg", "pre", "div", "span", "a", "dl", "ul",
    ] {
      let opened = html.components(separatedBy: "<\(name) ").count + html.components(separatedBy: "<\(name)>").count - 2
      #expect(opened == html.components(separatedBy: "</\(name)>").count - 1, "\(name)")
    }
    // Every place that a link inside the page leads to is there, once.
    let ids = html.components(separatedBy: " id=\"").dropFirst().compactMap { $0.split(separator: "\"").first }
    #expect(Set(ids).count == ids.count)
    let links = html.components(separatedBy: "href=\"#").dropFirst().compactMap { $0.split(separator: "\"").first }
    for link in links { #expect(ids.contains(link), "\(link)") }
  }

  @Test func hostileNamesStayText() throws {
    let hostile = "\"><script>alert('x')</script><img src=x onerror=alert(1)>{{title}}</style>"
    var document = SampleReport.document
    document.title = hostile
    document.notes = [hostile]
    document.summary = [hostile]
    document.commands = [hostile]
    for index in document.variants.indices {
      document.variants[index].name = hostile
      document.variants[index].title = hostile
      document.variants[index].distanceTitle = hostile
      document.variants[index].recipe?.text = hostile
      for layer in document.variants[index].layers.indices { document.variants[index].layers[layer].path = hostile }
      guard var analysis = document.variants[index].analysis else { continue }
      for layer in analysis.layers.indices { analysis.layers[layer].path = hostile }
      for range in analysis.ranges.indices { analysis.ranges[range].site = hostile }
      document.variants[index].analysis = analysis
    }
    document.galleries[0].models = [hostile, hostile]
    document.galleries[0].rows[0].cells[0].png = hostile
    document.galleries[0].rows[0].cells[1].difference = hostile
    document.strips[0].rows[0].model = hostile
    document.strips[0].rows[0].frames[0] = hostile
    document.provenance[0].command = hostile
    document.provenance[0].facts = [.init(hostile, hostile)]
    let html = try ReportPage(document).html(dataFile: hostile)
    #expect(!html.contains("<script") && !html.contains("<img src=x"))
    #expect(!html.contains("</style><") || html.components(separatedBy: "</style>").count == 3)
    #expect(html.contains("&lt;script&gt;"))
  }

  @Test func anEmptyReportIsAPage() throws {
    let html = try ReportPage(ReportDocument(title: "nothing", commands: [])).html()
    #expect(html.contains("<h1>nothing</h1>") && !html.contains("<section"))
  }

  @Test func smallImagesAreEnlargedByWholeFactors() throws {
    let html = try ReportPage(SampleReport.document).html()
    #expect(html.contains("width=\"112\" height=\"112\"") && html.contains("class=\"gallery pixelated\""))
    var large = SampleReport.document
    (large.galleries[0].width, large.galleries[0].height) = (512, 256)
    #expect(try ReportPage(large).html().contains("width=\"112\" height=\"56\""))
  }
}
