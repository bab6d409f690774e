import Graphs
import Quantization
import Tensors

extension ReportVariant {
  /// Adds what a model's file says of itself: its size, and, where it is quantised, its layers, calibration and recipe.
  /// - Parameter recipe: the file it was made by, where that is known.
  mutating func add(_ source: ModelSource, recipe: RecipeText?) {
    isQuantized = source.quantized != nil
    digest = source.digest
    bytes = source.weightsFileBytes
    floatShare = source.floatShare
    guard let quantized = source.quantized else { return }
    layers = source.reportLayers
    self.source = quantized.lineage.sourceName
    calibration = quantized.lineage.calibration.map(ReportCoverage.init)
    self.recipe = recipe?.report(for: quantized.recipe)
  }

  /// The same from an earlier report of that file.
  mutating func addFile(of known: ReportVariant) {
    (bytes, floatShare, layers) = (known.bytes, known.floatShare, known.layers)
    (source, calibration, recipe) = (known.source, known.calibration, known.recipe)
  }

  /// `W4A8`, from the recipe's widths.
  static func widths(of recipe: Recipe) -> String {
    let bits = { (bits: Int?) in bits.map(String.init) ?? "32" }
    return "W\(bits(recipe.weights?.bits))A\(bits(recipe.activations?.bits))"
  }
}

extension ModelSource {
  /// Layers and attention products in the order of the network; those whose results are kept instead are left out.
  var reportLayers: [ReportLayer] {
    let table = quantized?.table ?? QuantizationTable()
    let graph = model.graph
    let idle = graph.idleParameters(keeping: table.features.keys)
    return GraphSummary(graph).contractions.compactMap { contraction in
      let parameter = graph.node(at: contraction.path)?.op.parameters.first
      if let parameter, idle.contains(parameter) { return nil }
      let weight = table.weights[contraction.path]?.quantizer.bits
      let activations = table.activations.filter { $0.key.node == contraction.path && $0.key.role != .output }
      let rows = parameter.flatMap { graph.parameter($0)?.dims.first } ?? 1
      let coded = weight.map { rows * CodePacking.bytesPerRow(contraction.weightCount / max(rows, 1), bits: $0) }
      return ReportLayer(
        path: contraction.path, weightBits: weight, activationBits: activations.values.map { $0.rows[0].bits }.min(),
        weightCount: contraction.weightCount, weightBytes: coded ?? 4 * contraction.weightCount,
        multiplyAccumulates: contraction.multiplyAccumulates)
    }
  }
}

extension ReportCoverage {
  init(_ provenance: CalibrationProvenance) {
    let plan = CalibrationPlan(provenance.calibration, stepCount: provenance.steps.count)
    self.init(
      distribution: provenance.calibration.distribution.kind.rawValue,
      trajectories: provenance.calibration.trajectories, counts: plan.counts)
  }
}
