/// The smallest and largest value of one activation at every step as a band, and the range of the grid that codes stand for.
package struct RangeChart: Sendable {
  package let description: String
  package let lower: [Double]
  package let upper: [Double]
  /// One entry for all steps, or one for each.
  package let gridLower: [Double]
  package let gridUpper: [Double]

  package init(description: String, lower: [Double], upper: [Double], gridLower: [Double], gridUpper: [Double]) {
    self.description = description
    self.lower = lower
    self.upper = upper
    self.gridLower = gridLower
    self.gridUpper = gridUpper
  }

  package var drawing: SVG {
    let frame = ChartFrame(width: ChartFrame.half, height: 220)
    let steps = lower.count
    let x = frame.horizontal("step", [0, Double(max(steps - 1, 1))], fits: true)
    let y = frame.vertical("value", lower + upper + gridLower + gridUpper)
    func points(_ values: [Double]) -> [(x: Double, y: Double)] {
      (0..<steps).map {
        (x.place(Double($0)), y.place(values.count == 1 ? values[0] : values[min($0, values.count - 1)]))
      }
    }
    func band(_ low: [(x: Double, y: Double)], _ high: [(x: Double, y: Double)], _ style: String, _ title: String)
      -> SVG
    {
      let outline = low + high.reversed()
      return SVG(
        "polygon",
        [
          ("points", outline.map { "\(SVG.number($0.x)),\(SVG.number($0.y))" }.joined(separator: " ")),
          ("class", style),
        ]
      ).titled(title)
    }
    var children = frame.axes(x, y)
    if !gridLower.isEmpty {
      children.append(band(points(gridLower), points(gridUpper), "band-grid", "range of the grid"))
    }
    children.append(band(points(lower), points(upper), "band-values", "smallest to largest value"))
    for step in 0..<steps {
      let place = x.place(Double(step))
      children.append(
        SVG.line(place, y.place(lower[step]), place, y.place(upper[step]), "whisker").titled(
          "step \(step): \(Axis.text(lower[step])) to \(Axis.text(upper[step]))"))
    }
    return frame.drawing(description, children)
  }
}
