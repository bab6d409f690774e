/// One mark for each variant, where two figures of it meet; the variants that no other is better than in both are joined.
package struct ScatterChart: Sendable {
  package struct Point: Sendable {
    package let name: String
    package let x: Double
    package let y: Double
    package init(name: String, x: Double, y: Double) {
      self.name = name
      self.x = x
      self.y = y
    }
  }

  package let description: String
  package let horizontalTitle: String
  package let verticalTitle: String
  package let points: [Point]
  /// Whether a larger y is better; a smaller x always is.
  package let largerIsBetter: Bool

  package init(
    description: String, horizontalTitle: String, verticalTitle: String, points: [Point], largerIsBetter: Bool
  ) {
    self.description = description
    self.horizontalTitle = horizontalTitle
    self.verticalTitle = verticalTitle
    self.points = points
    self.largerIsBetter = largerIsBetter
  }

  /// Positions of the points that no other point beats in one figure without losing in the other, from left to right.
  package var front: [Int] {
    func gain(_ point: Point) -> Double { largerIsBetter ? point.y : -point.y }
    let order = points.indices.sorted { (points[$0].x, -gain(points[$0])) < (points[$1].x, -gain(points[$1])) }
    var best = -Double.infinity
    return order.filter { index in
      defer { best = max(best, gain(points[index])) }
      return gain(points[index]) > best
    }
  }

  package var drawing: SVG {
    var frame = ChartFrame(width: ChartFrame.half, height: 280)
    frame.right = 24
    let x = frame.horizontal(horizontalTitle, points.map(\.x))
    let y = frame.vertical(verticalTitle, points.map(\.y))
    var children = frame.axes(x, y)
    let front = front
    children.append(.path(front.map { (x.place(points[$0].x), y.place(points[$0].y)) }, [("class", "front")]))
    let marks = points.map { (x: x.place($0.x), y: y.place($0.y)) }
    for (index, point) in points.enumerated() {
      let isFront = front.contains(index)
      children.append(
        SVG(
          "circle",
          [
            ("cx", SVG.number(marks[index].x)), ("cy", SVG.number(marks[index].y)), ("r", isFront ? "6" : "4.5"),
            ("class", isFront ? "point best" : "point"),
          ]
        ).titled("\(point.name): \(Axis.text(point.x)), \(Axis.text(point.y))" + (isFront ? " (on the front)" : "")))
    }
    var taken = marks.map { Box(left: $0.x - 7, right: $0.x + 7, top: $0.y - 7, bottom: $0.y + 7) }
    for (mark, point) in zip(marks, points) { children.append(label(point.name, mark.x, mark.y, frame, &taken)) }
    return frame.drawing(description, children)
  }

  /// What a mark or a name covers.
  private struct Box {
    let left: Double
    let right: Double
    let top: Double
    let bottom: Double

    func meets(_ other: Box) -> Bool {
      left < other.right && other.left < right && top < other.bottom && other.top < bottom
    }
  }

  private static let offsets = [0.0, -14, 14, -28, 28, -42, 42]

  /// The name beside its mark, in the first of a few places where nothing else is; in the first of all where there is none.
  private func label(
    _ name: String, _ x: Double, _ y: Double, _ frame: ChartFrame, _ taken: inout [Box]
  ) -> SVG {
    let shown = ChartFrame.shortened(name, to: 28)
    let width = ChartFrame.legendCharacter * Double(shown.count)
    let places = Self.offsets.flatMap { offset in
      [false, true].map { isLeft -> (box: Box, isLeft: Bool) in
        let start = isLeft ? x - 10 - width : x + 10
        return (Box(left: start, right: start + width, top: y + offset - 6, bottom: y + offset + 6), isLeft)
      }
    }.filter { $0.box.left > frame.left && $0.box.right < frame.width && $0.box.bottom < frame.innerBottom }
    let free = places.first { place in !taken.contains { $0.meets(place.box) } } ?? places.first
    let isLeft = free?.isLeft ?? false
    let box = free?.box ?? Box(left: x + 10, right: x + 10 + width, top: y - 6, bottom: y + 6)
    taken.append(box)
    return .label(
      isLeft ? box.right : box.left, box.bottom - 2, shown, anchor: isLeft ? "end" : "start", style: "legend")
  }
}
