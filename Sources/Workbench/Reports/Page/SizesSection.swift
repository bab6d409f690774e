/// Bits and bytes, model by model and layer by layer.
struct SizesSection {
  private let document: ReportDocument
  init(_ document: ReportDocument) { self.document = document }

  /// Widths that any layer has, the narrowest first; 32 is float.
  private func widths(_ variants: [ReportVariant]) -> [Int] {
    Set(variants.flatMap(\.layers).filter { $0.weightCount > 0 }.map { $0.weightBits ?? 32 }).sorted()
  }

  var view: SectionView? {
    let variants = document.variants.filter { !$0.layers.isEmpty }
    let widths = widths(variants)
    if widths.isEmpty { return nil }
    let parts = widths.map { $0 == 32 ? "float" : "\($0) bits" }
    let summary = BarChart(
      description: "Bytes of weights by width", title: "weights, kB", parts: parts,
      rows: variants.map { variant in
        let bytes = widths.map { width in
          variant.layers.filter { ($0.weightBits ?? 32) == width }.reduce(0) { $0 + Double($1.weightBytes) } / 1000
        }
        return .init(name: variant.title, values: bytes, note: "\(fixed(bytes.reduce(0, +), 1)) kB")
      })
    let each = variants.map { variant in
      BlockView.details(
        "\(variant.title), layer by layer", [.figure(nil, chart(variant, widths, parts)), table(variant)])
    }
    return SectionView(
      id: "sizes", title: "Bits and bytes", introduction: [],
      blocks: [.figure("Weights by width", summary.drawing, caption: "Without scales, biases and normalisations.")]
        + each)
  }

  private func chart(_ variant: ReportVariant, _ widths: [Int], _ parts: [String]) -> SVG {
    BarChart(
      description: "Bytes of each layer of \(variant.title)", title: "weights, kB", parts: parts,
      rows: variant.layers.filter { $0.weightCount > 0 }.map { layer in
        .init(
          name: layer.path,
          values: widths.map { $0 == layer.weightBits ?? 32 ? Double(layer.weightBytes) / 1000 : 0 },
          note: "W\(layer.weightBits ?? 32)A\(layer.activationBits ?? 32)")
      }
    ).drawing
  }

  private func table(_ variant: ReportVariant) -> BlockView {
    let clipped = Dictionary(
      (variant.analysis?.layers ?? []).map { ($0.path, $0) }, uniquingKeysWith: { first, _ in first })
    let hasClipped = !clipped.isEmpty
    return .table(
      TableView(
        [
          ("layer", false), ("weight bits", true), ("input bits", true), ("weights", true), ("bytes", true),
          ("multiply-accumulates", true),
        ] + (hasClipped ? [("weights clipped", true), ("inputs clipped", true)] : []),
        variant.layers.map { layer in
          let found = clipped[layer.path]
          return [
            layer.path, layer.weightCount == 0 ? "" : layer.weightBits.map(String.init) ?? "float",
            layer.activationBits.map(String.init) ?? "float",
            layer.weightCount == 0 ? "" : shown(count: layer.weightCount),
            layer.weightCount == 0 ? "" : shown(count: layer.weightBytes), shown(count: layer.multiplyAccumulates),
          ]
            + (hasClipped
              ? [
                shown(found?.clippedWeights.map { 100 * $0 }, 3, "%"),
                shown(found?.clippedActivations.map { 100 * $0 }, 3, "%"),
              ] : [])
        }))
  }
}
