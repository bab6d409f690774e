import Execution
import Graphs
import Tensors

extension QuantizationTask {
  /// Stage: finite set calibration of the temporal information block (Huang et al. 2024, section 3.3): its activations
  /// depend on the step alone (and on the class, where there are classes), so that the range of each is known exactly, from
  /// one evaluation of the block without images.
  ///
  /// - Parameter network: weights as they were rounded.
  /// - Returns: a quantiser per step, or per step and class, of every temporal site that the recipe quantises; min-max.
  package func temporalRanges(_ network: QuantizedNetwork) throws -> [Site: ActivationQuantizers] {
    guard let settings = recipe.activations, let block = model.graph.temporalBlock() else { return [:] }
    let temporal = Set(block.nodes.map(\.path))
    let sites = selection.activations.filter { temporal.contains($0.node) }
    if sites.isEmpty { return [:] }
    var upstream = QuantizedNetwork(model: model)
    if settings.upstream != .float {
      upstream.model = network.model
      upstream.table.weights = network.table.weights.filter { temporal.contains($0.key) }
    }
    if settings.upstream == .quantized { upstream.table.activations = try extremes(block, sites, upstream) }
    return try extremes(block, sites, upstream)
  }

  /// One evaluation of the block for every step and class.
  private func extremes(
    _ block: Graph, _ sites: [Site], _ upstream: QuantizedNetwork
  ) throws -> [Site: ActivationQuantizers] {
    guard let settings = recipe.activations else { return [:] }
    let rule = GridRule(.activation, bits: settings.bits, symmetric: settings.symmetric, estimator: .minMax)
    let forms = Dictionary(uniqueKeysWithValues: sites.map { ($0, SiteForm(rule, block.shape(at: $0)!)) })
    let collector = RangeCollector(forms: forms, estimator: .minMax, decay: nil)
    let executor = try ReferenceExecutor(
      upstream.model.part(block).loaded(), simulating: upstream.table,
      observer: collector.observer)
    let byLabel = Set(block.labelDependentPaths)
    let blank = Tensor([1] + block.imageShape.dims)
    var rows: [Site: [AffineQuantizer]] = [:]
    for step in set.provenance.steps {
      for label in 0..<(block.classCount ?? 1) {
        _ = try executor.run(
          NetworkInput(x: blank, at: step, conditioning: [block.conditioning.example(label: label)]))
        collector.endBatch()
        let broken = collector.broken
        if !broken.isEmpty {
          throw QuantizationError.nonFiniteActivations(
            step: step.index, work: RangeCollector.work, sites: broken.map(\.description))
        }
        let ranges = collector.take()
        for site in sites where label == 0 || byLabel.contains(site.node) {
          guard let range = ranges[site]?.first else { preconditionFailure("the executor did not report \(site)") }
          rows[site, default: []].append(rule.quantizer(range))
        }
      }
      try progress(
        WorkProgress(
          stage: "calibrating the temporal block", unit: "steps", done: step.index + 1,
          total: set.provenance.steps.count))
    }
    return rows.reduce(into: [:]) { table, entry in
      let key: ActivationQuantizers.Key =
        byLabel.contains(entry.key.node) ? .stepAndLabel(classCount: block.classCount ?? 1) : .step
      table[entry.key] = ActivationQuantizers(key: key, rows: entry.value)
    }
  }
}
