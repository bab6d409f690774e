import Foundation
import TestSupport
import Testing

/// What ends the process at once (a precondition, a forced unwrap or cast) is for programmers' mistakes only. Each such
/// line of every module but the kernels, which have none, stands in a list with the reason why no file, flag or environment
/// can reach it; a new one fails here until its reason is written down, or it becomes an error.
@Suite struct TrapTests {
  private static let modules = [
    "Platform", "Formats", "Tensors", "Graphs", "Networks", "Execution", "Diffusion", "Evaluation", "Quantization",
    "Exports",
    "Workbench", "Halftone", "HalftoneCommand",
  ]

  private struct Trap: Hashable {
    let path: String
    let line: String
  }

  private func found() throws -> [Trap] {
    let sources = Fixtures.root.deletingLastPathComponent().deletingLastPathComponent().appending(path: "Sources")
    let trap = #/\b(?:precondition|preconditionFailure|fatalError)\(|\bas!|\btry!|[\w\)\]]!(?![=\w"])/#
    var traps: [Trap] = []
    for module in Self.modules {
      let folder = sources.appending(path: module)
      let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)?
        .compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }
      for file in try #require(files) {
        let path = String(file.path.dropFirst(sources.path.count + 1))
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
          let text = line.trimmingCharacters(in: .whitespaces)
          if !text.hasPrefix("//"), text.contains(trap) { traps.append(Trap(path: path, line: text)) }
        }
      }
    }
    return traps
  }

  @Test func everyTrapHasAReasonWhyNothingReachesIt() throws {
    let list = try String(contentsOf: Fixtures.root.appending(path: "traps.txt"), encoding: .utf8)
    var reasons: [Trap: String] = [:]
    for line in list.split(separator: "\n") where !line.hasPrefix("#") {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      try #require(fields.count == 3, "\(line)")
      reasons[Trap(path: fields[0], line: fields[1])] = fields[2]
    }
    let traps = Set(try found())
    #expect(traps.count > 150)
    for trap in traps where (reasons[trap] ?? "").count < 20 {
      Issue.record("\(trap.path): no reason in Tests/Fixtures/traps.txt for: \(trap.line)")
    }
    for stale in reasons.keys where !traps.contains(stale) {
      Issue.record("Tests/Fixtures/traps.txt lists a line that is gone: \(stale.path): \(stale.line)")
    }
  }
}
