/// A table that reads well as plain text and is valid Markdown.
package struct Table: Sendable {
  package enum Alignment: Sendable { case left, right }
  package let columns: [(title: String, alignment: Alignment)]
  package private(set) var rows: [[String]] = []

  package init(_ columns: [(title: String, alignment: Alignment)]) { self.columns = columns }

  /// - Precondition: one cell a column.
  package mutating func add(_ cells: [String]) {
    precondition(cells.count == columns.count)
    // A bar inside a cell would end it.
    rows.append(cells.map { $0.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|") })
  }

  package var markdown: String {
    let widths = columns.indices.map { c in max(3, ([columns[c].title] + rows.map { $0[c] }).map(\.count).max() ?? 0) }
    func line(_ cells: [String]) -> String {
      let padded = cells.indices.map { c in
        let space = String(repeating: " ", count: widths[c] - cells[c].count)
        return columns[c].alignment == .left ? cells[c] + space : space + cells[c]
      }
      return "| " + padded.joined(separator: " | ") + " |"
    }
    let rule = columns.indices.map { c in
      columns[c].alignment == .left
        ? String(repeating: "-", count: widths[c]) : String(repeating: "-", count: widths[c] - 1) + ":"
    }
    return ([line(columns.map(\.title)), line(rule)] + rows.map(line)).joined(separator: "\n")
  }
}
