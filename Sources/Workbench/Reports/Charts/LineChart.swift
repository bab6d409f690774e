/// Values over steps, a line for each series.
package struct LineChart: Sendable {
  package struct Series: Sendable {
    package let name: String
    /// One per step; nil where there is no number.
    package let values: [Double?]
    package init(name: String, values: [Double?]) {
      self.name = name
      self.values = values
    }
  }

  package let description: String
  package let horizontalTitle: String
  package let verticalTitle: String
  package let series: [Series]
  /// What a step is called beside its number; empty: nothing.
  package let stepNames: [String]

  package init(
    description: String, horizontalTitle: String, verticalTitle: String, series: [Series], stepNames: [String] = []
  ) {
    self.description = description
    self.horizontalTitle = horizontalTitle
    self.verticalTitle = verticalTitle
    self.series = series
    self.stepNames = stepNames
  }

  package var drawing: SVG {
    let frame = ChartFrame()
    let count = series.map(\.values.count).max() ?? 0
    let x = frame.horizontal(horizontalTitle, [0, Double(max(count - 1, 1))], fits: true)
    let y = frame.vertical(verticalTitle, series.flatMap { $0.values.compactMap { $0 } })
    var children = frame.axes(x, y)
    for (index, line) in series.enumerated() { children += marks(of: line, index, x, y) }
    let legend = frame.legend(series.map(\.name))
    return frame.drawing(description, children + legend.marks, extraHeight: legend.height)
  }

  private func marks(of line: Series, _ index: Int, _ x: Axis, _ y: Axis) -> [SVG] {
    let points = line.values.enumerated().compactMap { step, value in
      value.map { (step: step, value: $0, x: x.place(Double(step)), y: y.place($0)) }
    }
    var style: [(key: String, value: String)] = [("class", "series \(Palette.series(index))")]
    if let dashes = Palette.dashes(index) { style.append(("stroke-dasharray", dashes)) }
    let dots = points.map { point in
      let step = "step \(point.step)" + (stepNames.indices.contains(point.step) ? " (\(stepNames[point.step]))" : "")
      return SVG(
        "circle",
        [
          ("cx", SVG.number(point.x)), ("cy", SVG.number(point.y)), ("r", "3"),
          ("class", "dot \(Palette.series(index))"),
        ]
      ).titled("\(line.name), \(step): \(Axis.text(point.value))")
    }
    return [SVG.path(points.map { ($0.x, $0.y) }, style)] + dots
  }
}
