import Formats
import Foundation
import Quantization
import TestSupport
import Testing
import Workbench

/// From a quantised model to its page, to the layers at fault, to a better model.
@Suite(.serialized) struct ReportTests {
  let halftone = Launcher()
  private static let model = Fixtures.golden("unet-ddpm")
  private static let source = ["--scheduler", QuantizeTests.scheduler]

  private func recipe(_ folder: TemporaryFolder) throws -> String {
    let path = folder.file("tiny.yaml")
    let text = """
      # A comment that readers of the report want to see: <b>.
      method: rtn
      weights: {bits: 4, symmetric: true, range: min_max, rounding: nearest, bias_correction: false}
      activations: {bits: 8, symmetric: false, range: min_max, ema: none, upstream: float, attention_products: quantized}
      adaptive_ranges: none
      activation_tables: shared
      temporal_features: computed
      split_inputs: none
      smoothing: none
      reconstruction: none
      mixed_precision: none
      correction: none
      sampler: ddim-10
      calibration: {distribution: uniform, every: 1, trajectories: 2, seed: 0, labels: balanced}
      float_layers: [conv_in]
      """
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  private func quantized(_ folder: TemporaryFolder) throws -> String {
    let out = folder.file("tiny.safetensors")
    let made = try halftone.run(
      ["quantize", Self.model, "--recipe", try recipe(folder), "--out", out] + Self.source)
    #expect(made.status == 0, "\(made.errors)")
    #expect(made.errors.contains("report: \(folder.file("tiny.report.html"))"))
    return out
  }

  private func report(_ path: String) throws -> ReportDocument { try #require(ReportFile.read(path)) }

  private func page(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

  private func decibels(_ model: String, _ folder: TemporaryFolder) throws -> Double {
    let compared = try halftone.run(
      ["compare", Self.model, model, "--count", "2", "--json", "--out", folder.file("c-\(UUID().uuidString)")]
        + Self.source)
    let value = try JSON.parse(Array(compared.output.utf8), file: "output")
    let mean: Double? = if case .number(let mean)? = value["epsilon_snr"]?["mean_decibels"] { mean } else { nil }
    return try #require(mean)
  }

  @Test func aModelIsReportedAnalysedAndMended() throws {
    let temporary = try TemporaryFolder()
    let model = try quantized(temporary)
    let (html, data) = (temporary.file("tiny.report.html"), temporary.file("tiny.report.json"))
    let first = try page(html)
    #expect(first.contains("# A comment that readers of the report want to see: &lt;b&gt;."))
    #expect(first.contains("<section id=\"sizes\">") && first.contains("Not measured yet"))
    #expect(try report(data).variants[0].layers.first { $0.path == "conv_out" }?.weightBits == 4)

    // Where the layers are not known, nothing can be mended.
    let early = try halftone.run(
      ["quantize", Self.model, "--from", data, "--fix", "2", "--out", temporary.file("no.safetensors")] + Self.source)
    #expect(early.status == 3)
    #expect(
      early.errors == """
        error[E-REPORT-ANALYSIS]: \(data) does not say which layers make the error
        hint: 'halftone report RUN --analyse' measures it

        """)

    let analysed = try halftone.run(["report", model, "--analyse", "--model", Self.model] + Self.source)
    #expect(analysed.status == 0, "\(analysed.errors)")
    #expect(analysed.errors.contains("expected: "))
    #expect(analysed.output.contains("of what the layers of tiny cost alone"))
    #expect(analysed.output.contains("page: \(html)\ndata: \(data)\n"))
    let document = try report(data)
    let analysis = try #require(document.variants[0].analysis)
    #expect(
      analysis.layers.count == document.variants[0].layers.count { $0.weightBits != nil || $0.activationBits != nil })
    #expect(analysis.steps == [0, 1, 3, 4, 5, 6, 8, 9])
    #expect(analysis.layers.allSatisfy { ($0.weight ?? $0.activation)?.count == 8 })
    // What reaches the network's second layer is not exact any more; the first layer's input is.
    #expect(analysis.layers.contains { ($0.accumulated?.compactMap { $0 }.max() ?? 0) > 0 })
    let ranges = try #require(analysis.ranges.first)
    #expect(ranges.lower.count == 10 && ranges.gridLower.count == 1)
    let text = try page(html)
    #expect(text.contains("Isolated error of weights") && text.contains("<section id=\"ranges\">"))

    // Made again without measuring, the page still has what was measured.
    let again = try halftone.run("report", model)
    #expect(again.status == 0 && !again.errors.contains("expected: "), "\(again.errors)")
    #expect(try report(data) == document)

    let mended = temporary.file("mended.safetensors")
    let fixed = try halftone.run(
      ["quantize", Self.model, "--from", data, "--fix", "2", "--out", mended] + Self.source)
    #expect(fixed.status == 0, "\(fixed.errors)")
    let shares = analysis.shares
    #expect(fixed.errors.contains("left in float:\n  \(shares[0].pattern) ("))
    let made = try QuantizedModelFile.read(mended)
    #expect(made.recipe.floatLayers.map(\.text) == ["conv_in", shares[0].pattern, shares[1].pattern])
    for share in shares.prefix(2) where share.pattern == share.path { #expect(made.table.weights[share.path] == nil) }
    #expect(try decibels(mended, temporary) > decibels(model, temporary) + 1)

    let many = try halftone.run(
      ["quantize", Self.model, "--from", data, "--fix", "999", "--out", mended] + Self.source)
    #expect(
      many.errors == "error[E-REPORT-FIX]: --fix 999: \(data) knows \(shares.count) layers with an error\n"
        && many.status == 2)
    let other = try halftone.run(
      ["quantize", Self.model, "--from", data, "--fix", "1", "--recipe", "big", "--out", mended] + Self.source)
    #expect(
      other.errors
        == "error[E-REPORT-CHOICE]: \(data) has no analysed model big; it has tiny\nhint: name one with --recipe\n")
    let stranger = try halftone.run("quantize", "fashion-mnist-ddpm", "--from", data, "--fix", "1", "--out", mended)
    #expect(
      stranger.status == 3
        && stranger.errors.hasPrefix("error[E-REPORT-MODEL]: \(data) is about a model quantised from "))
  }

  @Test func comparisonsAndAblationsLeaveAPage() throws {
    let temporary = try TemporaryFolder()
    let model = try quantized(temporary)
    let out = temporary.file("compared")
    let compared = try halftone.run(["compare", Self.model, model, "--count", "3", "--out", out] + Self.source)
    #expect(compared.status == 0, "\(compared.errors)")
    var document = try report(out + "/report.json")
    #expect(document.commands == ["compare"] && document.variants.count == 2)
    #expect(document.galleries[0].rows.count == 3 && document.galleries[0].rows[0].cells[1].difference != nil)
    #expect(document.strips[0].rows.map(\.frames.count) == [10, 10])
    #expect(document.variants[1].stepDecibels.count == 10 && document.variants[1].drift.count == 10)
    #expect(!document.variants[1].layers.isEmpty)
    let value = try JSON.read(out + "/report.json")
    #expect(value["psnr"] != nil && value["recipes"]?["tiny"]?["method"] == "rtn")
    // The same from the disk; strips are kept.
    let again = try halftone.run("report", out)
    #expect(again.status == 0, "\(again.errors)")
    #expect(try report(out + "/report.json") == document)

    // What the model's file said stays known when the file has gone.
    try FileManager.default.moveItem(atPath: model, toPath: temporary.file("elsewhere.safetensors"))
    #expect(try halftone.run("report", out).status == 0)
    let kept = try report(out + "/report.json")
    #expect(kept.variants == document.variants && kept.strips == document.strips)
    #expect(
      kept.notes.contains { $0.hasPrefix("\(model) is not there or another model by now: of tiny the page shows") })
    #expect(try JSON.read(out + "/report.json")["recipes"]?["tiny"]?["method"] == "rtn")

    let ablated = temporary.file("ablated")
    let run = try halftone.run(
      [
        "ablate", Self.model, "--recipes", try recipe(temporary), "--count", "2", "--step-images", "2", "--out",
        ablated,
      ] + Self.source)
    #expect(run.status == 0, "\(run.errors)")
    document = try report(ablated + "/report.json")
    #expect(document.variants.map(\.name) == ["float", "tiny"])
    #expect(document.variants[1].stepDecibels.count == 10 && document.variants[1].recipe != nil)
    #expect(document.strips[0].rows.map(\.model) == ["float", "tiny"])

    // Several runs in one page.
    let both = try halftone.run("report", out, ablated, "--out", temporary.file("both.html"))
    #expect(both.status == 0, "\(both.errors)")
    document = try report(temporary.file("both.json"))
    #expect(document.galleries.count == 2 && document.variants.filter(\.isQuantized).map(\.name) == ["tiny", "tiny-2"])
    #expect(document.variants.filter { !$0.isQuantized }.count == 1)
    let nowhere = try halftone.run("report", out, ablated)
    #expect(
      nowhere.errors == """
        error[E-REPORT-OUT]: several runs have no place in common for their report
        hint: name the page with --out report.html

        """)
  }

  @Test func scoresOfARunHaveAPage() throws {
    let temporary = try TemporaryFolder()
    let out = temporary.file("run")
    let drawn = try halftone.run(
      "sample", "fashion-mnist-ddpm", "--sampler", "ddim-10", "--count", "4", "--out", out)
    #expect(drawn.status == 0, "\(drawn.errors)")
    let reference = "models/fashion-mnist-classifier/statistics-test.npz"
    var launcher = halftone
    launcher.workingDirectory = Launcher.checkout
    let scored = try launcher.run("score", out, reference)
    #expect(scored.status == 0, "\(scored.errors)")
    let document = try report(out + "/score.json")
    #expect(document.scores.count == 1 && document.galleries[0].rows.count == 4)
    #expect(try page(out + "/score.html").contains("Fréchet distance"))
    // The run's own page has the scores, too.
    #expect(try halftone.run("report", out).status == 0)
    #expect(try report(out + "/report.json").scores == document.scores)
    let over = try halftone.run("report", out, "--out", out + "/run.json")
    #expect(over.status == 2 && over.errors.contains("E-OUT-INPUT]: \(out)/run.json is the record of a run"))
    // Figures that cannot be read are neither left out nor written over.
    for name in ["score.json", "report.json"] {
      let damaged = Data("{\"report\": ".utf8)
      let whole = try Data(contentsOf: URL(fileURLWithPath: out + "/" + name))
      try damaged.write(to: URL(fileURLWithPath: out + "/" + name))
      let refused = try halftone.run("report", out)
      #expect(refused.status == 3)
      #expect(refused.errors.hasPrefix("error[E-JSON-SYNTAX]: \(out)/\(name): line 1, column 12"), "\(refused.errors)")
      #expect(try Data(contentsOf: URL(fileURLWithPath: out + "/" + name)) == damaged)
      try whole.write(to: URL(fileURLWithPath: out + "/" + name))
    }
    #expect(try halftone.run("report", out).status == 0)
    // An image that cannot be read is said to be missing from the page.
    #expect(try report(out + "/report.json").notes == [])
    try Data("no image".utf8).write(to: URL(fileURLWithPath: out + "/images/000000/000002.png"))
    #expect(try halftone.run("report", out).status == 0)
    let damagedPage = try report(out + "/report.json")
    #expect(damagedPage.galleries[0].rows.map(\.image) == [0, 1, 3])
    #expect(
      damagedPage.notes == ["1 of the first 4 images of run are not shown, image 2 among them: they cannot be read"])
  }

  @Test func whatCannotBeReportedIsRefused() throws {
    let temporary = try TemporaryFolder()
    let absent = try halftone.run("report", temporary.file("absent"))
    #expect(absent.status == 3)
    #expect(
      absent.errors == """
        error[E-REPORT-RUN]: nothing to report of \(temporary.file("absent")): there is no such file or folder
        hint: give a run folder of sample, compare, ablate, demo or score, or a quantised model

        """)
    let folder = try halftone.run("report", temporary.path)
    #expect(folder.errors.contains("the folder has no run.json"))
    let unused = try halftone.run("report", temporary.path, "--heads", "2")
    #expect(unused.status == 2 && unused.errors.contains("--heads: needs --model, whose options these are"))
    let alone = try halftone.run("quantize", Self.model, "--from", "x.json")
    #expect(alone.status == 2 && alone.errors.contains("--from and --fix need each other"))
    let neither = try halftone.run("quantize", Self.model)
    #expect(
      neither.status == 2
        && neither.errors.contains("give --recipe, which quantises the denoiser, or a report with --from and --fix"))
  }

  @Test func aFloatModelThatIsNotAtHandIsAskedFor() throws {
    let temporary = try TemporaryFolder()
    let model = try quantized(temporary)
    let analysed = try halftone.run("report", model, "--analyse")
    #expect(analysed.status == 2)
    #expect(analysed.errors.contains("error[E-REPORT-FLOAT]: \(model) was made from unet-ddpm ("))
    #expect(analysed.errors.hasSuffix("which is not at hand\nhint: name the float model with --model\n"))
    // Another one is not taken for it, nor passed over.
    let other = temporary.file("other")
    try ModelFolderMaker.make(other)
    let wrong = try halftone.run("report", model, "--analyse", "--model", other)
    #expect(wrong.status == 3, "\(wrong.errors)")
    #expect(
      wrong.errors.contains("is about a model quantised from unet-ddpm (") && wrong.errors.contains("and \(other) is "))
    let idle = try halftone.run("report", model, "--model", other)
    #expect(idle.status == 2 && idle.errors.contains("--model needs --analyse, which compares with it"))
  }
}
