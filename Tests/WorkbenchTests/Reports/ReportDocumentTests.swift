import Formats
import Foundation
import Graphs
import Tensors
import TestSupport
import Testing
import Workbench

/// What a report says, and that it comes back from its file as it was.
@Suite struct ReportDocumentTests {
  @Test func comesBackFromItsData() throws {
    let document = SampleReport.document
    let value = try ReportFile.value(of: document)
    #expect(try ReportFile.document(in: ["report": value], file: "x") == document)
    // Names of keys are those of the other files.
    #expect(value["variants"] != nil)
    let text = JSONWriter.compact(value)
    for key in ["step_decibels", "float_share", "is_quantized", "largest_code", "multiply_accumulates"] {
      #expect(text.contains("\"\(key)\""), "\(key)")
    }
    #expect(!text.contains("stepDecibels"))
  }

  @Test func keysOfTheCommandsOwnReportStay() throws {
    let folder = try TemporaryFolder()
    let page = folder.file("report.html")
    let document = SampleReport.document
    try ReportFile.write(
      document, recipes: [("bad", ["method": "rtn"])], own: ["schema": 1, "rows": [1, 2]], page: page)
    let data = ReportFile.dataPath(of: page)
    #expect(data == folder.file("report.json"))
    var value = try JSON.read(data)
    #expect(value["rows"] == [1, 2] && value["recipes"]?["bad"] == ["method": "rtn"])
    #expect(ReportFile.read(data) == document)
    // Made again later, by `report`, they are still there.
    try ReportFile.write(document, recipes: [], page: page)
    value = try JSON.read(data)
    #expect(value["rows"] == [1, 2] && value["recipes"]?["bad"] == ["method": "rtn"] && value["report"] != nil)
  }

  @Test func whatDoesNotFitIsNamed() throws {
    func message(_ report: ConfigurationValue?) -> String {
      do {
        _ = try ReportFile.document(in: report.map { ["report": $0] } ?? ["rows": []], file: "r.json")
        return "read"
      } catch { return "\(error)" }
    }
    let hint = "\nhint: 'halftone report' writes it beside the page"
    #expect(message(nil) == "error[E-REPORT-FILE]: r.json is no data of a report: it lacks the key report" + hint)
    #expect(
      message(["schema": 9])
        == "error[E-REPORT-FILE]: r.json is no data of a report: its schema is 9; this version knows schema 1" + hint)
    var broken = SampleReport.document
    broken.variants[1].analysis?.histograms[0].largestCode = 1 << 40
    broken.variants[1].layers[0].weightBytes = -1
    broken.strips[0].width = 0
    #expect(
      message(try ReportFile.value(of: broken)).hasPrefix(
        "error[E-REPORT-FILE]: r.json is no data of a report: tiny: images of 28 x 0\n  bad: a count of a layer or of "
          + "calibration samples is negative or too large\n  bad: conv_out:weight: a histogram without codes or counts")
    )
    let value = try ReportFile.value(of: SampleReport.document)
    #expect(message(value.setting("title", nil)).contains("report: the key title is missing"))
    #expect(message(value.setting("summary", [1, 2])).contains("report.summary[0]: another kind of value is expected"))
  }

  @Test func sentencesSayWhatIsWrongAndWhere() {
    let sentences = SampleReport.document.summary
    #expect(
      sentences == [
        "bad deviates most from the float model: 26.2 dB epsilon SNR, averaged over the steps; the best is good with 40.1 dB.",
        "conv_out and mid.conv1 (of 4) make up 99 % of what the layers of bad cost alone, almost all by their weights.",
        "Steps 8 to 9 of 10 are worst: 11.0 dB, against 30.0 dB in the others.",
      ])
    #expect(
      Findings.steps(of: SampleReport.variant("even", decibels: [30, 30, 30, 30, 30, 30], analysed: false)) == nil)
  }

  @Test func sharesAreOrderedAndSumToOne() {
    let shares = SampleReport.analysis("x").shares
    #expect(shares.map(\.path) == ["conv_out", "mid.conv1", "conv_in"])
    #expect(abs(shares.reduce(0) { $0 + $1.share } - 1) < 1e-12)
    // An input alone is at fault in the first layer, and is left alone in float.
    #expect(shares.map(\.pattern) == ["conv_out", "mid.conv1", "conv_in:input"])
    // Every step counts alike: 0.04 of 0.05101 + 0.00101 and 0.08 of 0.11101 + 0.00101.
    #expect(abs(shares[0].share - (0.04 / 0.05201 + 0.08 / 0.11201) / 2) < 1e-4)
    var late = SampleReport.analysis("x")
    // Ten times as far from the float model at the last step alone, which changes no part of it.
    for index in late.layers.indices {
      late.layers[index].weight?[1] *= 10
      late.layers[index].activation?[1] *= 10
    }
    #expect(zip(late.shares, shares).allSatisfy { abs($0.share - $1.share) < 1e-12 && $0.path == $1.path })
    // What has no weight is named by its path alone.
    var products = SampleReport.analysis("x")
    products.layers[2].activation = [1, 1]
    #expect(products.shares[0].pattern == "mid.attn.scores")
  }

  @Test func valuesAreCountedInStepsOfTheirGrid() {
    var histogram = CodeHistogram(largestCode: 15)
    let quantizer = AffineQuantizer(bits: 4, scale: 0.5, zeroPoint: 8)
    // Codes 0, 8 and 15, and two beyond the ends.
    histogram.add(
      Tensor([1, 5], [-4, 0, 3.5, 4.1, -5]), shape: .vector(5), quantizer: quantizer, inputScales: nil)
    #expect(histogram.count == 5 && histogram.clippedCount == 2 && histogram.clipped == 0.4)
    #expect(histogram.counts.reduce(0, +) == 5)
    let width = (histogram.lastCode - histogram.firstCode) / Double(histogram.counts.count)
    let bin = { (code: Double) in Int((code - histogram.firstCode) / width) }
    #expect(histogram.counts[bin(0)] == 1 && histogram.counts[bin(8)] == 1 && histogram.counts[bin(15)] == 1)
    // Each row of a weight has its own scale: both of these are code 12.
    var weights = CodeHistogram(largestCode: 15)
    let rows = AffineQuantizer(bits: 4, granularity: .perChannel, scales: [1, 0.25], zeroPoints: [8, 8])
    let weight = Tensor([2, 1], [4, 1])
    weights.add(weight: weight, QuantizedWeight(dims: [2, 1], quantizer: rows, codes: [12, 12]))
    #expect(weights.counts.max() == 2 && weights.clipped == 0)
  }
}
