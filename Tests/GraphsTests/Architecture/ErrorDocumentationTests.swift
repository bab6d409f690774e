import Foundation
import TestSupport
import Testing

/// docs/errors.md against the sources: every identifier that an error can have has one row there, and nothing else has.
@Suite struct ErrorDocumentationTests {
  private static let root = Fixtures.root.deletingLastPathComponent().deletingLastPathComponent()

  @Test func everyIdentifierHasOneRow() throws {
    let page = try String(contentsOf: Self.root.appending(path: "docs/errors.md"), encoding: .utf8)
    let rows = Self.listed(in: page)
    let listed = Set(rows)
    let printed = try Self.printed()
    #expect(printed.count > 250)
    for identifier in printed.subtracting(listed).sorted() {
      Issue.record("\(identifier) has no row in docs/errors.md")
    }
    for identifier in listed.subtracting(printed).sorted() {
      Issue.record("docs/errors.md lists \(identifier), which no source prints")
    }
    for identifier in listed.sorted() where rows.count(where: { $0 == identifier }) > 1 {
      Issue.record("docs/errors.md lists \(identifier) more than once")
    }
  }

  @Test func identifiersAreRecognised() {
    let source = """
      case .first: "E-ONE"
      case .second: ("E-TWO-2", "text", nil)
      print("error[E-THREE]: text")
      /// - Throws: `E-FOUR`, or "E-FIVE".
      text.hasPrefix("E-SIX-")
      """
    #expect(Self.identifiers(in: source).sorted() == ["E-ONE", "E-THREE", "E-TWO-2"])
    let page = """
      Errors such as E-FOUR.

      | identifier | exit code | meaning |
      | --- | --- | --- |
      | E-ONE | 2 | as E-FIVE |
      | E-TWO-2, E-THREE | 3 or 5 | one; the other |
      """
    #expect(Self.listed(in: page) == ["E-ONE", "E-TWO-2", "E-THREE"])
  }

  /// Identifiers in the first column of the page's tables, in their order.
  private static func listed(in page: String) -> [String] {
    var found: [String] = []
    for row in page.split(separator: "\n") where row.hasPrefix("| E-") {
      let cells = row.split(separator: "|")
      for name in cells[0].split(separator: ",") { found.append(name.trimmingCharacters(in: .whitespaces)) }
    }
    return found
  }

  /// Identifiers in the string literals of all sources.
  private static func printed() throws -> Set<String> {
    let sources = root.appending(path: "Sources")
    let files = FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil)?
      .compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }
    var found: Set<String> = []
    for file in try #require(files) {
      found.formUnion(identifiers(in: try String(contentsOf: file, encoding: .utf8)))
    }
    return found
  }

  /// Identifiers that are a string literal of a source, or stand in brackets within one; comments do not count.
  private static func identifiers(in source: String) -> Set<String> {
    let identifier = #/["\[](E-[A-Z][-A-Z0-9]*[A-Z0-9])["\]]/#
    var found: Set<String> = []
    for line in source.split(separator: "\n") where line.contains("E-") {
      if line.trimmingCharacters(in: .whitespaces).hasPrefix("//") { continue }
      for match in line.matches(of: identifier) { found.insert(String(match.output.1)) }
    }
    return found
  }
}
