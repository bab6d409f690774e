/// Rows of bars that are made of parts laid end to end.
package struct BarChart: Sendable {
  package struct Row: Sendable {
    package let name: String
    /// By position in `parts`.
    package let values: [Double]
    /// What stands behind the bar.
    package let note: String
    package init(name: String, values: [Double], note: String) {
      self.name = name
      self.values = values
      self.note = note
    }
  }

  package let description: String
  package let title: String
  /// What the parts are called.
  package let parts: [String]
  package let rows: [Row]

  package init(description: String, title: String, parts: [String], rows: [Row]) {
    self.description = description
    self.title = title
    self.parts = parts
    self.rows = rows
  }

  private static let rowHeight = 22.0

  package var drawing: SVG {
    let longest = min(rows.map(\.name.count).max() ?? 0, 44)
    var frame = ChartFrame(height: 12 + Self.rowHeight * Double(rows.count) + 46)
    frame.left = 18 + 6.7 * Double(longest)
    frame.right = 20 + 6.7 * Double(rows.map(\.note.count).max() ?? 0)
    let x = frame.horizontal(title, rows.map { $0.values.reduce(0, +) }, includesZero: true)
    var children = frame.horizontalAxis(x)
    for (index, row) in rows.enumerated() {
      let y = frame.top + Self.rowHeight * Double(index)
      let name = SVG.label(
        frame.left - 7, y + 14, ChartFrame.shortened(row.name, to: 44), anchor: "end", style: "legend")
      children.append(name.titled(row.name))
      var from = 0.0
      for (part, value) in row.values.enumerated() where value > 0 {
        let (start, end) = (x.place(from), x.place(from + value))
        children.append(
          SVG.rectangle(start, y + 2, end - start, Self.rowHeight - 6, [("class", "bar \(Palette.series(part))")])
            .titled("\(row.name), \(parts[part]): \(Axis.text(value))"))
        from += value
      }
      children.append(.label(x.place(from) + 6, y + 14, row.note, style: "tick"))
    }
    let legend = parts.count > 1 ? frame.legend(parts, isFilled: true) : ([], 0)
    return frame.drawing(description, children + legend.0, extraHeight: legend.1)
  }
}
