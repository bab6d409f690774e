/// An element of a drawing: a name, attributes in order, and what it contains.
package struct SVG: Sendable, Equatable {
  package enum Content: Sendable, Equatable {
    case element(SVG)
    case text(String)
  }

  package let name: String
  package private(set) var attributes: [(key: String, value: String)]
  package private(set) var content: [Content]

  package init(_ name: String, _ attributes: [(key: String, value: String)] = [], _ children: [SVG] = []) {
    self.name = name
    self.attributes = attributes
    content = children.map { .element($0) }
  }

  package static func == (a: SVG, b: SVG) -> Bool {
    a.name == b.name && a.content == b.content && a.attributes.elementsEqual(b.attributes, by: ==)
  }

  package mutating func add(_ child: SVG) { content.append(.element(child)) }
  package mutating func add(_ children: [SVG]) { content += children.map { .element($0) } }

  /// A hover title, which also is what a screen reader says of the mark.
  package func titled(_ text: String) -> SVG {
    var out = self
    out.content.insert(.element(SVG("title", text: text)), at: 0)
    return out
  }

  /// An element that holds text.
  package init(_ name: String, _ attributes: [(key: String, value: String)] = [], text: String) {
    self.init(name, attributes)
    content = [.text(text)]
  }

  /// The drawing as markup for an HTML page; every text and attribute is escaped.
  package var markup: String {
    let opening = attributes.reduce("<\(name)") { $0 + " \($1.key)=\"\(Self.escaped($1.value))\"" }
    if content.isEmpty { return opening + "/>" }
    let inside = content.map { content in
      switch content {
      case .element(let element): element.markup
      case .text(let text): Self.escaped(text)
      }
    }
    return opening + ">" + inside.joined() + "</\(name)>"
  }

  private static func escaped(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      case "\"": out += "&quot;"
      // XML has no place for other control characters.
      case _ where scalar.value < 0x20 && scalar != "\n" && scalar != "\t": out += "\u{FFFD}"
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }
}

extension SVG {
  /// Coordinates to a tenth of a pixel, without trailing zeros.
  package static func number(_ value: Double) -> String {
    let text = fixed(value, 1)
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }

  static func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) -> SVG {
    SVG("line", [("x1", number(x1)), ("y1", number(y1)), ("x2", number(x2)), ("y2", number(y2)), ("class", style)])
  }

  static func rectangle(
    _ x: Double, _ y: Double, _ width: Double, _ height: Double, _ more: [(key: String, value: String)]
  ) -> SVG {
    SVG(
      "rect",
      [("x", number(x)), ("y", number(y)), ("width", number(max(width, 0))), ("height", number(max(height, 0)))] + more)
  }

  /// - Parameter anchor: which end of the text lies at the place: `start`, `middle` or `end`.
  static func label(
    _ x: Double, _ y: Double, _ text: String, anchor: String = "start", style: String = "tick", turned: Bool = false
  ) -> SVG {
    var attributes = [("x", number(x)), ("y", number(y)), ("text-anchor", anchor), ("class", style)]
    if turned { attributes.append(("transform", "rotate(-90 \(number(x)) \(number(y)))")) }
    return SVG("text", attributes, text: text)
  }

  static func path(_ points: [(x: Double, y: Double)], _ more: [(key: String, value: String)]) -> SVG {
    SVG("polyline", [("points", points.map { "\(number($0.x)),\(number($0.y))" }.joined(separator: " "))] + more)
  }
}
