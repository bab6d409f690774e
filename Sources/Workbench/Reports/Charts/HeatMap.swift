import Foundation

/// Rows of cells whose colour is a number: layers in the order of the network, steps in the order of sampling.
package struct HeatMap: Sendable {
  package let description: String
  package let columnTitle: String
  package let columns: [String]
  package let rows: [(name: String, values: [Double?])]
  /// Of the numbers in the cells' titles.
  package let unit: String
  /// What the numbers are.
  package let keyTitle: String
  /// The values of the first and last colour: one scale for maps that are compared.
  package let range: ClosedRange<Double>

  package init(
    description: String, columnTitle: String, columns: [String], rows: [(name: String, values: [Double?])],
    unit: String, keyTitle: String,
    range: ClosedRange<Double>
  ) {
    self.description = description
    self.columnTitle = columnTitle
    self.columns = columns
    self.rows = rows
    self.unit = unit
    self.keyTitle = keyTitle
    self.range = range
  }

  private static let cellHeight = 15.0
  private static let legendSteps = 24

  package var drawing: SVG {
    var frame = ChartFrame(height: 12 + Self.cellHeight * Double(rows.count) + 88)
    frame.left = 20 + 6.3 * Double(min(rows.map(\.name.count).max() ?? 0, 40))
    let width = (frame.innerRight - frame.left) / Double(max(columns.count, 1))
    var children: [SVG] = []
    for (index, row) in rows.enumerated() {
      let y = frame.top + Self.cellHeight * Double(index)
      children.append(
        SVG.label(
          frame.left - 6, y + 11, ChartFrame.shortened(row.name, to: 40), anchor: "end", style: "tick"
        ).titled(row.name))
      for (column, value) in row.values.enumerated() {
        let title = "\(row.name), \(columns.indices.contains(column) ? columns[column] : "\(column)")"
        let cell = SVG.rectangle(
          frame.left + width * Double(column), y, width + 0.3, Self.cellHeight - 1,
          value.map { [("fill", Palette.sequential(share($0))), ("class", "cell")] } ?? [("class", "cell none")])
        children.append(cell.titled("\(title): \(value.map { "\(fixed($0, 1)) \(unit)" } ?? "float")"))
      }
    }
    let bottom = frame.top + Self.cellHeight * Double(rows.count)
    let every = max(1, Int((44 / width).rounded(.up)))
    for column in stride(from: 0, to: columns.count, by: every) {
      children.append(
        .label(frame.left + width * (Double(column) + 0.5), bottom + 14, columns[column], anchor: "middle"))
    }
    children.append(
      .label((frame.left + frame.innerRight) / 2, bottom + 32, columnTitle, anchor: "middle", style: "axis-title"))
    return frame.drawing(description, children + legend(frame, bottom + 46))
  }

  private func share(_ value: Double) -> Double {
    (value - range.lowerBound) / max(range.upperBound - range.lowerBound, 1e-12)
  }

  private func legend(_ frame: ChartFrame, _ y: Double) -> [SVG] {
    let width = 240 / Double(Self.legendSteps)
    var out = (0..<Self.legendSteps).map { step in
      let share = (Double(step) + 0.5) / Double(Self.legendSteps)
      return SVG.rectangle(
        frame.left + width * Double(step), y, width + 0.3, 10,
        [("fill", Palette.sequential(share)), ("class", "key")])
    }
    out.append(.label(frame.left, y + 24, fixed(range.lowerBound, 0), anchor: "middle"))
    out.append(.label(frame.left + 240, y + 24, fixed(range.upperBound, 0), anchor: "middle"))
    out.append(.label(frame.left + 256, y + 9, keyTitle))
    return out
  }
}
