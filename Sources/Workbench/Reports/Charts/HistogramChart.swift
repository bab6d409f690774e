/// How often values fall between codes of a grid, and what lies beyond its ends.
package struct HistogramChart: Sendable {
  package let description: String
  /// The axis' title: what is counted, in steps of the grid.
  package let title: String
  /// The code at the beginning of the first bin and at the end of the last.
  package let codes: ClosedRange<Double>
  package let counts: [Int]
  package let largestCode: Int

  package init(description: String, title: String, codes: ClosedRange<Double>, counts: [Int], largestCode: Int) {
    self.description = description
    self.title = title
    self.codes = codes
    self.counts = counts
    self.largestCode = largestCode
  }

  package var drawing: SVG {
    let frame = ChartFrame(width: ChartFrame.half, height: 220)
    let x = frame.horizontal(title, [codes.lowerBound, codes.upperBound], fits: true)
    let total = Double(max(counts.reduce(0, +), 1))
    let shares = counts.map { 100 * Double($0) / total }
    let y = frame.vertical("share, %", shares, includesZero: true)
    let (first, last) = (x.place(-0.5), x.place(Double(largestCode) + 0.5))
    var children = [
      SVG.rectangle(first, frame.top, last - first, frame.innerBottom - frame.top, [("class", "band-grid")])
        .titled("codes 0 to \(largestCode)")
    ]
    // A line for each code where there is room for them.
    if largestCode <= 31 {
      for code in 0...largestCode {
        let place = x.place(Double(code))
        children.append(.line(place, frame.top, place, frame.innerBottom, "grid"))
      }
    }
    children += frame.axes(x, y)
    let width = (codes.upperBound - codes.lowerBound) / Double(max(counts.count, 1))
    for (bin, share) in shares.enumerated() where share > 0 {
      let (from, to) = (codes.lowerBound + width * Double(bin), codes.lowerBound + width * Double(bin + 1))
      // Half a bin of tolerance: bins and codes do not end in the same places.
      let isClipped = to < -0.5 + width / 2 || from > Double(largestCode) + 0.5 - width / 2
      children.append(
        SVG.rectangle(
          x.place(from), y.place(share), x.place(to) - x.place(from) - 0.4, frame.innerBottom - y.place(share),
          [("class", isClipped ? "bar clipped" : "bar s0")]
        ).titled("codes \(Axis.text(from)) to \(Axis.text(to)): \(fixed(share, 3)) %"))
    }
    return frame.drawing(description, children)
  }
}
