import Formats
import Foundation
import Tensors
import TestSupport
import Testing

/// `inspect --layers` and `--graph`, and `--preview` off a terminal.
@Suite struct InspectViewTests {
  let halftone = Launcher()

  private func model(_ temporary: TemporaryFolder) throws -> String {
    let path = temporary.file("model")
    try ModelFolderMaker.make(path)
    return path
  }

  @Test func layersAreRowsInTheOrderThatIsAskedFor() throws {
    let temporary = try TemporaryFolder()
    let model = try model(temporary)
    let table = try halftone.run("inspect", model, "--layers")
    #expect(table.status == 0, "\(table.errors)")
    let lines = table.output.split(separator: "\n")
    #expect(lines[0].hasPrefix("| layer ") && lines[0].contains("multiply-accumulates"))
    #expect(lines.contains { $0.hasPrefix("| mid_block.attentions.0.") && $0.contains("per image") })
    #expect(lines.contains { $0.hasPrefix("| time_embedding.linear_1 ") && $0.contains("per step") })
    func rows(_ order: String) throws -> [ConfigurationValue] {
      let finished = try halftone.run("inspect", model, "--layers", "--sort", order, "--json", "-q")
      guard case .list(let rows)? = try JSON.parse(Array(finished.output.utf8), file: "layers")["layers"] else {
        Issue.record("\(finished.output)\(finished.errors)")
        return []
      }
      return rows
    }
    func numbers(_ key: String, _ rows: [ConfigurationValue]) -> [Int] {
      rows.compactMap { if case .integer(let number)? = $0[key] { number } else { nil } }
    }
    let whole = try rows("execution")
    #expect(whole.count == lines.count - 2 && whole.first?["path"] == "time_embedding.linear_1")
    let costs = numbers("multiply_accumulates", try rows("macs"))
    #expect(costs.count == whole.count && costs == costs.sorted(by: >))
    let sizes = numbers("weight_bytes", try rows("bytes"))
    #expect(sizes == sizes.sorted(by: >) && sizes != numbers("weight_bytes", whole))
    #expect(try rows("name").compactMap { $0["path"]?.shown } == whole.compactMap { $0["path"]?.shown }.sorted())
    let idle = try halftone.run("inspect", model, "--sort", "macs")
    #expect(idle.status == 2 && idle.errors.contains("--sort orders the rows of --layers"))
    // What says something of a model needs one.
    let none = try halftone.run("inspect", "--cpu", "--size", "8x8")
    #expect(none.status == 2 && none.errors.hasPrefix("error[E-USAGE]: --size needs a model\n"))
    let (arrays, size) = (Fixtures.path("pytorch/state.npz"), "--size")
    let other = try halftone.run("inspect", arrays, size, "8x8")
    #expect(
      other.status == 2 && other.errors == "error[E-MODEL-OPTION]: \(arrays) takes no --size: it is no model\n")
  }

  @Test func graphsAreFilesByTheirEnding() throws {
    let temporary = try TemporaryFolder()
    let model = try model(temporary)
    func written(_ name: String) throws -> String {
      let path = temporary.file(name)
      let finished = try halftone.run("inspect", model, "--graph", path)
      #expect(finished.status == 0 && finished.output == "graph: \(path)\n", "\(finished.errors)")
      return try String(contentsOfFile: path, encoding: .utf8)
    }
    let json = try JSON.parse(Array(written("g.json").utf8), file: "g.json")
    guard case .list(let nodes)? = json["nodes"] else {
      Issue.record("no nodes")
      return
    }
    #expect(nodes.contains { $0["path"] == "conv_in" && $0["operation"] == "convolution 3x3" })
    let paths = Set(nodes.compactMap { $0["path"]?.shown })
    for node in nodes {
      guard case .list(let inputs)? = node["inputs"] else { continue }
      #expect(inputs.allSatisfy { paths.contains($0.shown) })
    }
    let dot = try written("g.dot")
    #expect(dot.hasPrefix("digraph \"model\" {\n") && dot.hasSuffix("}\n"))
    #expect(dot.components(separatedBy: "[label=").count == nodes.count + 1)
    #expect(dot.contains("label=\"conv_in\\nconvolution 3x3 [4, 8, 8]\", style=filled"))
    let page = try written("g.html")
    #expect(page.hasPrefix("<!DOCTYPE html>") && page.hasSuffix("</html>\n"))
    #expect(page.components(separatedBy: "<circle ").count == nodes.count + 1)
    // Nothing is fetched and nothing runs.
    #expect(!page.contains("<script") && !page.contains("http") && !page.contains("url("))
    let refused = try halftone.run("inspect", model, "--graph", temporary.file("g.png"))
    #expect(refused.status == 2)
    #expect(
      refused.errors
        == "error[E-INSPECT-GRAPH]: --graph \(temporary.file("g.png")): expected a name that ends in .html, .dot or .json\n"
    )
  }

  @Test func previewsAreForTerminals() throws {
    let temporary = try TemporaryFolder()
    let command = [
      "sample", try model(temporary), "--count", "1", "--sampler", "ddim-10", "--out", temporary.file("run"),
    ]
    let finished = try halftone.run(command + ["--preview"])
    #expect(finished.status == 0)
    #expect(finished.errors.contains("note: --preview shows nothing: standard output is no terminal\n"))
    #expect(!finished.output.contains("\u{1B}"))
    let both = try halftone.run(command + ["--preview", "--json"])
    #expect(both.status == 2 && both.errors.contains("--preview and --json exclude each other"))
    // On a terminal that `script` makes.
    let line = (["$halftone"] + command.map { "'\($0)'" } + ["--preview", "blocks"]).joined(separator: " ")
    let shown = try halftone.shell("TERM=xterm NO_COLOR= COLORTERM= script -qec \"\(line)\" /dev/null").wait()
    #expect(shown.output.contains("\u{1B}[38;5;") && shown.output.contains("▀"), "\(shown.output)\(shown.errors)")
  }
}
