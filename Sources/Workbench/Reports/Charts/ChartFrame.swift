/// The paper of a chart: its size, its margins, its axes and its legend.
struct ChartFrame {
  /// Of charts that stand alone, and of those that stand side by side.
  static let full = 720.0
  static let half = 480.0

  let width: Double
  let height: Double
  var left = 64.0
  var right = 16.0
  var top = 12.0
  let bottom = 46.0

  init(width: Double = full, height: Double = 300) {
    self.width = width
    self.height = height
  }

  var innerRight: Double { width - right }
  var innerBottom: Double { height - bottom }

  func horizontal(_ title: String, _ data: [Double], fits: Bool = false, includesZero: Bool = false) -> Axis {
    Axis(title, showing: data, fits: fits, includesZero: includesZero, from: left, to: innerRight)
  }

  func vertical(_ title: String, _ data: [Double], includesZero: Bool = false) -> Axis {
    Axis(title, showing: data, includesZero: includesZero, from: innerBottom, to: top)
  }

  /// An empty chart that says what it shows.
  /// - Parameter description: what a reader who does not see it is told.
  func drawing(_ description: String, _ children: [SVG], extraHeight: Double = 0) -> SVG {
    SVG(
      "svg",
      [
        ("viewBox", "0 0 \(SVG.number(width)) \(SVG.number(height + extraHeight))"), ("role", "img"),
        ("class", "chart"), ("aria-label", description),
      ], children)
  }

  /// Lines and numbers of both axes.
  func axes(_ x: Axis, _ y: Axis) -> [SVG] { horizontalAxis(x) + verticalAxis(y) }

  func horizontalAxis(_ axis: Axis) -> [SVG] {
    var out = [SVG.line(left, innerBottom, innerRight, innerBottom, "axis")]
    for tick in axis.ticks {
      let x = axis.place(tick)
      out.append(.line(x, innerBottom, x, innerBottom + 4, "axis"))
      out.append(.label(x, innerBottom + 17, Axis.text(tick), anchor: "middle"))
    }
    out.append(.label((left + innerRight) / 2, height - 8, axis.title, anchor: "middle", style: "axis-title"))
    return out
  }

  func verticalAxis(_ axis: Axis) -> [SVG] {
    var out: [SVG] = []
    for tick in axis.ticks {
      let y = axis.place(tick)
      out.append(.line(left, y, innerRight, y, "grid"))
      out.append(.label(left - 7, y + 4, Axis.text(tick), anchor: "end"))
    }
    out.append(.label(14, (top + innerBottom) / 2, axis.title, anchor: "middle", style: "axis-title", turned: true))
    return out
  }

  /// Width of a character of a legend, about; fonts differ.
  static let legendCharacter = 7.4

  /// Names of series in lines below the chart, and the height that they take.
  /// - Parameter isFilled: whether the series are areas, not lines.
  func legend(_ names: [String], isFilled: Bool = false) -> (marks: [SVG], height: Double) {
    var marks: [SVG] = []
    var (x, y) = (left, height + 12)
    for (index, name) in names.enumerated() {
      let shown = ChartFrame.shortened(name, to: 40)
      let width = 44 + Self.legendCharacter * Double(shown.count)
      if x + width > innerRight, x > left { (x, y) = (left, y + 18) }
      marks.append(
        isFilled ? .rectangle(x + 4, y - 6, 14, 12, [("class", "key bar \(Palette.series(index))")]) : key(index, x, y))
      marks.append(.label(x + 27, y + 4, shown, style: "legend").titled(name))
      x += width
    }
    return (marks, names.isEmpty ? 0 : y - height + 14)
  }

  private func key(_ index: Int, _ x: Double, _ y: Double) -> SVG {
    var line: [(key: String, value: String)] = [
      ("x1", SVG.number(x)), ("y1", SVG.number(y)), ("x2", SVG.number(x + 22)), ("y2", SVG.number(y)),
      ("class", "series \(Palette.series(index))"),
    ]
    if let dashes = Palette.dashes(index) { line.append(("stroke-dasharray", dashes)) }
    return SVG("line", line)
  }

  /// The end of a name that is too long, which tells layers apart better than its beginning.
  static func shortened(_ text: String, to count: Int) -> String {
    text.count <= count ? text : "…" + text.suffix(count - 1)
  }
}
