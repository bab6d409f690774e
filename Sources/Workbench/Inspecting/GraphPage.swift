/// A graph as a page of its own: operations one below the other in the order in which they run, what reads what from further up as arcs.
/// It needs neither a network nor scripts.
struct GraphPage {
  private let drawing: GraphDrawing

  init(_ drawing: GraphDrawing) { self.drawing = drawing }

  /// Pixels from one operation to the next, left of the first text, and the widest an arc swings out.
  private static let pitch = 22
  private static let margin = 260
  private static let widestArc = 230

  private static let style = """
    :root { color-scheme: light dark; --ink: #1c1e21; --dim: #667; --band: #eef1f6; --layer: #2b6cb0; --time: #b7791f; --arc: #99a; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --dim: #9aa; --band: #23262d; --layer: #63b3ed; --time: #ecc94b; --arc: #667; } }
    body { margin: 1.5rem; font: 14px/1.4 system-ui, sans-serif; color: var(--ink); }
    svg { font: 12px ui-monospace, monospace; fill: var(--ink); }
    .band { fill: var(--band); } .block { fill: var(--dim); text-anchor: end; }
    .arc { fill: none; stroke: var(--arc); } .node { fill: var(--dim); }
    .layer { fill: var(--layer); } .once { fill: var(--time); } .note { fill: var(--dim); }
    """

  var text: String {
    let boxes = drawing.boxes
    let height = (boxes.count + 1) * Self.pitch
    let texts = boxes.map { "\($0.path)  \($0.operation) \($0.shape)  \($0.quantization)" }
    let letters = (texts.map(\.count).max() ?? 0) + (drawing.blocks.map(\.name.count).max() ?? 0)
    let width = Self.margin + 40 + 8 * letters
    let body = bands(width) + boxes.flatMap(arcs) + boxes.flatMap(lines)
    return """
      <!DOCTYPE html>
      <html lang="en"><head><meta charset="utf-8"><title>\(Self.escaped(drawing.title))</title>
      <style>
      \(Self.style)
      </style></head><body>
      <h1>\(Self.escaped(drawing.title))</h1>
      <p>\(boxes.count) operations in the order in which they run. Each reads the one above it unless an arc says otherwise. \
      <span style="color:var(--layer)">Layers and attention</span> hold the work; <span style="color:var(--time)">these</span> are \
      evaluated once per step, or once per context.</p>
      <svg width="\(width)" height="\(height)" role="img" aria-label="the network's graph">
      \(body.joined(separator: "\n"))
      </svg></body></html>

      """
  }

  private func y(_ index: Int) -> Int { (index + 1) * Self.pitch }

  /// A shade behind every other block, and the block's name beside its first operation.
  private func bands(_ width: Int) -> [String] {
    drawing.blocks.enumerated().flatMap { number, block -> [String] in
      guard let first = block.nodes.first else { return [] }
      let (top, height) = (y(first) - Self.pitch * 3 / 4, block.nodes.count * Self.pitch)
      let name =
        "<text class=\"block\" x=\"\(width - 8)\" y=\"\(y(first))\">\(Self.escaped(block.name))</text>"
      if number % 2 == 1 { return [name] }
      return ["<rect class=\"band\" x=\"0\" y=\"\(top)\" width=\"\(width)\" height=\"\(height)\"/>", name]
    }
  }

  private func arcs(_ box: GraphDrawing.Box) -> [String] {
    box.inputs.filter { $0 != box.index - 1 }.map { input in
      let swing = min(16 + 3 * (box.index - input), Self.widestArc)
      let (x, from, to) = (Self.margin, y(input) - 4, y(box.index) - 4)
      return "<path class=\"arc\" d=\"M\(x) \(from) C\(x - swing) \(from) \(x - swing) \(to) \(x) \(to)\"/>"
    }
  }

  private func lines(_ box: GraphDrawing.Box) -> [String] {
    let kind = box.phase != "for each image" ? "once" : box.isContraction ? "layer" : "node"
    return [
      "<circle class=\"\(kind)\" cx=\"\(Self.margin)\" cy=\"\(y(box.index) - 4)\" r=\"4\"><title>\(box.phase)</title></circle>",
      "<text x=\"\(Self.margin + 12)\" y=\"\(y(box.index))\"><tspan class=\"\(kind)\">\(Self.escaped(box.path))</tspan>  "
        + "\(Self.escaped(box.operation)) <tspan class=\"note\">\(Self.escaped(box.shape))</tspan>  "
        + "\(Self.escaped(box.quantization))</text>",
    ]
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("\"", with: "&quot;")
  }
}
