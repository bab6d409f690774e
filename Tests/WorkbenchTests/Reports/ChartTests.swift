import Foundation
import FoundationXML
import Testing
import Workbench

/// Charts are drawings of the right parts: marks, labels and axes, counted in the markup as a browser would parse it.
@Suite struct ChartTests {
  private func count(_ path: String, in drawing: SVG) throws -> Int {
    try XMLDocument(xmlString: drawing.markup).nodes(forXPath: path).count
  }

  private func texts(_ path: String, in drawing: SVG) throws -> [String] {
    try XMLDocument(xmlString: drawing.markup).nodes(forXPath: path).compactMap(\.stringValue)
  }

  @Test func linesHaveAPointForEachNumberAndAName() throws {
    let chart = LineChart(
      description: "two series", horizontalTitle: "step", verticalTitle: "epsilon SNR, dB",
      series: [.init(name: "a & b", values: [1, 2, nil, 4]), .init(name: "<c>", values: [3, 3, 3, 3])],
      stepNames: ["timestep 999", "timestep 666", "timestep 333", "timestep 0"])
    let drawing = chart.drawing
    #expect(try count("//polyline", in: drawing) == 2)
    #expect(try count("//circle", in: drawing) == 7)
    #expect(try texts("//text[@class='axis-title']", in: drawing) == ["step", "epsilon SNR, dB"])
    #expect(try texts("//text[@class='legend']/text()", in: drawing) == ["a & b", "<c>"])
    let titles = try texts("//circle/title", in: drawing)
    #expect(titles[0] == "a & b, step 0 (timestep 999): 1")
    #expect(titles[6] == "<c>, step 3 (timestep 0): 3")
    // Larger values lie higher.
    let heights = try XMLDocument(xmlString: drawing.markup).nodes(forXPath: "//circle/@cy").compactMap {
      $0.stringValue.flatMap(Double.init)
    }
    #expect(heights[0] > heights[1] && heights[1] > heights[2])
  }

  @Test func theNinthSeriesHasAnotherLine() throws {
    let chart = LineChart(
      description: "many", horizontalTitle: "x", verticalTitle: "y",
      series: (0..<9).map { .init(name: "\($0)", values: [0, Double($0)]) })
    #expect(try count("//polyline[@stroke-dasharray]", in: chart.drawing) == 1)
  }

  @Test func theFrontIsWhatNoOtherPointBeats() throws {
    let points = [(1.0, 20.0), (2, 30), (3, 25), (4, 31), (1, 19)].enumerated().map {
      ScatterChart.Point(name: "p\($0)", x: $1.0, y: $1.1)
    }
    let better = ScatterChart(
      description: "d", horizontalTitle: "x", verticalTitle: "y", points: points, largerIsBetter: true)
    #expect(better.front == [0, 1, 3])
    #expect(try count("//circle[@class='point best']", in: better.drawing) == 3)
    #expect(try count("//circle", in: better.drawing) == 5)
    let worse = ScatterChart(
      description: "d", horizontalTitle: "x", verticalTitle: "y", points: points, largerIsBetter: false)
    #expect(worse.front == [4])
  }

  @Test func barsAreAsLongAsTheirParts() throws {
    let chart = BarChart(
      description: "d", title: "share, %", parts: ["weight", "input"],
      rows: [
        .init(name: "conv_in", values: [30, 10], note: "40 %"), .init(name: "conv_out", values: [0, 20], note: "20 %"),
      ])
    let document = try XMLDocument(xmlString: chart.drawing.markup)
    let widths = try document.nodes(forXPath: "//rect[starts-with(@class, 'bar')]/@width").compactMap {
      $0.stringValue.flatMap(Double.init)
    }
    #expect(try document.nodes(forXPath: "//rect[starts-with(@class, 'key')]").count == 2)
    // A part of nothing is not drawn.
    #expect(widths.count == 3)
    #expect(abs(widths[0] / widths[1] - 3) < 0.05 && abs(widths[2] / widths[1] - 2) < 0.05)
    #expect(try texts("//rect/title", in: chart.drawing).first == "conv_in, weight: 30")
  }

  @Test func mapsHaveACellForEachNumberAndAKey() throws {
    let map = HeatMap(
      description: "d", columnTitle: "step", columns: ["step 1", "step 3"],
      rows: [(name: "conv_in", values: [-10, -50]), (name: "mid.attention", values: [nil, -30])], unit: "dB",
      keyTitle: "error, dB",
      range: -50...(-10))
    let document = try XMLDocument(xmlString: map.drawing.markup)
    #expect(try document.nodes(forXPath: "//rect[@class='cell']").count == 3)
    #expect(try document.nodes(forXPath: "//rect[@class='cell none']").count == 1)
    #expect(try document.nodes(forXPath: "//rect[@class='key']").count == 24)
    let fills = try document.nodes(forXPath: "//rect[@class='cell']/@fill").compactMap(\.stringValue)
    #expect(
      fills[0] == Palette.sequential(1) && fills[1] == Palette.sequential(0) && fills[2] == Palette.sequential(0.5))
    #expect(try texts("//rect[@class='cell']/title", in: map.drawing)[1] == "conv_in, step 3: -50.0 dB")
  }

  @Test func rangesAndHistogramsShowTheirGrid() throws {
    let range = RangeChart(
      description: "d", lower: [-1, -2, -4], upper: [1, 2, 4], gridLower: [-4], gridUpper: [4])
    #expect(try count("//polygon[@class='band-grid']", in: range.drawing) == 1)
    #expect(try count("//line[@class='whisker']", in: range.drawing) == 3)
    let histogram = HistogramChart(
      description: "d", title: "code", codes: -3.7...18.7, counts: [5] + [Int](repeating: 1, count: 20) + [0],
      largestCode: 15)
    #expect(try count("//rect[@class='bar clipped']", in: histogram.drawing) > 0)
    #expect(try count("//rect[contains(@class, 'bar')]", in: histogram.drawing) == 21)
    #expect(try count("//rect[@class='band-grid']", in: histogram.drawing) == 1)
  }

  @Test func axesHaveRoundNumbers() {
    #expect(Axis("x", showing: [0, 9.3], from: 0, to: 100).ticks == [0, 2, 4, 6, 8, 10])
    #expect(Axis("x", showing: [3, 3], from: 0, to: 100).ticks.contains(3))
    #expect(Axis("x", showing: [], from: 0, to: 1).ticks.count > 1)
    #expect(Axis.text(0.0000012) == "1.2·10⁻⁶" && Axis.text(2_000_000) == "2·10⁶" && Axis.text(12.5) == "12.5")
    #expect(Axis.text(-0.25) == "-0.25" && Axis.text(0) == "0")
  }

  @Test func coloursGetLighterAndDifferencesHaveTwoSides() {
    func lightness(_ colour: String) -> Int {
      let digits = Array(colour.dropFirst())
      return stride(from: 0, to: 6, by: 2).reduce(0) { $0 + (Int(String(digits[$1...$1 + 1]), radix: 16) ?? 0) }
    }
    let steps = stride(from: 0.0, through: 1, by: 0.125).map { lightness(Palette.sequential($0)) }
    #expect(steps == steps.sorted() && Set(steps).count == steps.count)
    #expect(Palette.diverging(0).allSatisfy { $0 > 240 })
    #expect(Palette.diverging(-1)[2] > Palette.diverging(-1)[0] && Palette.diverging(1)[0] > Palette.diverging(1)[2])
    #expect(Palette.diverging(-9) == Palette.diverging(-1) && Palette.diverging(.nan) == Palette.diverging(-1))
  }

  @Test func controlCharactersDoNotBreakDrawings() throws {
    let drawing = SVG("svg", [("aria-label", "a\u{1}\"<b>")], [SVG("text", text: "x\u{0}y ' & z")])
    let document = try XMLDocument(xmlString: drawing.markup)
    #expect(try document.nodes(forXPath: "//text").first?.stringValue == "x\u{FFFD}y ' & z")
  }
}
