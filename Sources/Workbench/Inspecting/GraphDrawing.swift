import Formats
import Graphs
import Tensors

/// A network's graph as a file: for a browser, for Graphviz or for programs, by the name's ending.
struct GraphDrawing {
  enum Kind: String, CaseIterable {
    case html, dot, json
  }

  /// One operation as it is drawn.
  struct Box {
    let index: Int
    let path: String
    let operation: String
    let shape: String
    /// What the table says of its operands; empty where nothing is quantised.
    let quantization: String
    let inputs: [Int]
    let phase: String
    let isContraction: Bool
  }

  let title: String
  let boxes: [Box]
  let blocks: [(name: String, nodes: Range<Int>)]

  init(_ graph: Graph, table: QuantizationTable, title: String) {
    self.title = title
    blocks = graph.regions.map { ($0.name, $0.nodes) }
    boxes = graph.nodes.map { node in
      let weight = table.weights[node.path].map { "W\($0.quantizer.bits)" }
      let activations = Set(
        node.sites.compactMap { site, _ in site.role == .weight ? nil : table.activations[site]?.rows[0].bits })
      let kept = table.features[node.path] == nil ? nil : "kept"
      return Box(
        index: node.index, path: node.path, operation: node.op.name, shape: "\(node.shape)",
        quantization: ([weight] + activations.sorted().map { "A\($0)" } + [kept]).compactMap { $0 }.joined(
          separator: " "),
        inputs: node.inputs, phase: Self.phase(graph.phase(of: node.index)),
        isContraction: node.op.facts.isLayer || node.op.facts.attention != nil)
    }
  }

  private static func phase(_ phase: Phase) -> String {
    switch phase {
    case .step: "once per step"
    case .context: "once per context"
    case .sample: "for each image"
    }
  }

  func text(_ kind: Kind) -> String {
    switch kind {
    case .html: GraphPage(self).text
    case .dot: dot
    case .json: JSONWriter.pretty(value)
    }
  }

  private var value: ConfigurationValue {
    [
      "schema": 1, "title": .string(title),
      "nodes": .list(
        boxes.map { box in
          [
            "path": .string(box.path), "operation": .string(box.operation), "shape": .string(box.shape),
            "inputs": .list(box.inputs.map { .string(boxes[$0].path) }), "evaluated": .string(box.phase),
            "quantization": .string(box.quantization),
          ]
        }),
      "blocks": .list(
        blocks.map { block in
          ["name": .string(block.name), "nodes": .list(block.nodes.map { .string(boxes[$0].path) })]
        }),
    ]
  }

  private var dot: String {
    func quoted(_ text: String) -> String {
      "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
    func line(_ box: Box) -> String {
      let parts = [box.path, "\(box.operation) \(box.shape)", box.quantization].filter { !$0.isEmpty }
      let label = parts.map { $0.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") }.joined(separator: "\\n")
      return "n\(box.index) [label=\"\(label)\"\(box.isContraction ? ", style=filled, fillcolor=lightblue" : "")];"
    }
    var lines = ["digraph \(quoted(title)) {", "  node [shape=box, fontname=\"sans-serif\", fontsize=10];"]
    for (number, block) in blocks.enumerated() {
      lines.append("  subgraph cluster_\(number) {")
      lines.append("    label=\(quoted(block.name)); color=gray;")
      lines += block.nodes.map { "    " + line(boxes[$0]) }
      lines.append("  }")
    }
    let inside = Set(blocks.flatMap(\.nodes))
    lines += boxes.filter { !inside.contains($0.index) }.map { "  " + line($0) }
    lines += boxes.flatMap { box in box.inputs.map { "  n\($0) -> n\(box.index);" } }
    return (lines + ["}", ""]).joined(separator: "\n")
  }
}
