import Diffusion
import Graphs
import Tensors

extension QuantizationTask {
  /// Stage: quantisers of every activation site, per step where the recipe's tables say so.
  package func activationQuantizers(_ network: QuantizedNetwork) throws -> [Site: ActivationQuantizers] {
    switch recipe.activationTables {
    case .shared: try sharedRanges(network)
    case .temporalBlock: try sharedRanges(network, fixed: temporalRanges(network))
    case .all: try rangesPerStep(network, fixed: temporalRanges(network))
    }
  }

  /// Stage: one quantiser per activation site, its range collected over the samples of all steps.
  /// - Parameters: network: weights as they were rounded; fixed: sites that are calibrated already, kept as they are.
  /// - Returns: `fixed` and every other site of the recipe.
  package func sharedRanges(
    _ network: QuantizedNetwork, fixed: [Site: ActivationQuantizers] = [:]
  ) throws -> [Site: ActivationQuantizers] {
    try ranges(key: .shared, network, fixed: fixed) { [$0.stratified()] }
  }

  /// Stage: one quantiser per activation site and sampling step, each range collected over that step's samples (TFMQ-DM's
  /// released code; Huang et al. 2024 describe it for the temporal block). With an interval, neighbouring steps share a range.
  /// What follows from a context alone, and so is the same at every step, has one quantiser.
  /// - Parameters and result: as `sharedRanges`.
  package func rangesPerStep(
    _ network: QuantizedNetwork, fixed: [Site: ActivationQuantizers] = [:]
  ) throws -> [Site: ActivationQuantizers] {
    let interval = recipe.tableInterval
    let stepCount = set.provenance.steps.count
    let found = try ranges(key: .step, network, fixed: fixed) { $0.perInterval(interval) }
    if interval == 1 { return found }
    return Dictionary(
      uniqueKeysWithValues: found.map { site, quantizers in
        if fixed[site] != nil || quantizers.key == .shared { return (site, quantizers) }
        let rows = (0..<stepCount).map { quantizers.rows[$0 / interval] }
        return (site, quantizers.replacing(rows: rows))
      })
  }

  /// Ranges while upstream activations are quantised need quantisers to begin with: a first pass over few samples with
  /// float activations gives them. Differs: TFMQ-DM updates the quantisers upstream within the pass, batch by batch;
  /// here they stay those of the first pass, so that batches do not depend on each other.
  private func ranges(
    key: ActivationQuantizers.Key, _ network: QuantizedNetwork, fixed: [Site: ActivationQuantizers],
    groups: (SampleBatches) -> [[SampleBatch]]
  ) throws -> [Site: ActivationQuantizers] {
    guard let settings = recipe.activations else { return fixed }
    let isSeparate = separatesBranches
    let key = isSeparate ? key.byBranch : key
    func rows(_ batches: SampleBatches) -> [[SampleBatch]] {
      isSeparate ? groups(batches).flatMap(Self.byBranch) : groups(batches)
    }
    let fixed = fixed.merging(model.graph.probabilityQuantizers(of: selection.activations, settings.probabilities)) {
      own, _ in own
    }
    let sites = selection.activations.filter { fixed[$0] == nil }
    if sites.isEmpty { return fixed }
    if let gathered, gathered.serves(recipe) {
      return fixed.merging(gathered.quantizers(key, of: sites)) { own, _ in own }
    }
    let forms = recipe.forms(of: sites, in: model.graph) { network.table.weights[$0]?.inputScales }
    var upstream = settings.upstream == .float ? QuantizedNetwork(model: model) : network.withFloatActivations
    if settings.upstream == .quantized {
      let few = SampleBatches(
        counts: set.counts.map { min($0, Self.firstSamples) }, batch: settings.average.map { _ in Self.firstSamples })
      let first = try pass("first look at activations", key, rows(few), forms, upstream)
      upstream.table.activations = fixed.merging(first) { own, _ in own }
    }
    let batches = SampleBatches(counts: set.counts, batch: settings.average?.batch)
    let found = try pass("collecting activation ranges", key, rows(batches), forms, upstream)
    return fixed.merging(found) { own, _ in own }
  }

  /// Whether the two branches of guidance have rows of their own: where the recipe says so and trajectories are guided.
  var separatesBranches: Bool { recipe.branches == .separate && set.provenance.guidance != nil }

  /// The batches of one row as those of two, one for each branch.
  private static func byBranch(_ batches: [SampleBatch]) -> [[SampleBatch]] {
    GuidanceBranch.allCases.map { branch in batches.map { $0.map { $0.only(branch) } } }
  }

  /// Samples per step of the first pass: TFMQ-DM's 16.
  private static let firstSamples = 16

  /// One run of the samples through the network: a row of ranges per group of batches.
  private func pass(
    _ stage: String, _ key: ActivationQuantizers.Key, _ groups: [[SampleBatch]],
    _ forms: [Site: SiteForm], _ upstream: QuantizedNetwork
  ) throws -> [Site: ActivationQuantizers] {
    guard let settings = recipe.activations else { return [:] }
    let sites = forms.keys.sorted()
    let collector = RangeCollector(forms: forms, estimator: settings.range, decay: settings.average?.decay)
    let executor = try makeExecutor(upstream.model, upstream.table, collector.observer)
    var watch = SampleWatch(self, stage, total: groups.joined().joined().reduce(0) { $0 + $1.range.count })
    var rows: [[Site: [ValueRange]]] = []
    for batches in groups {
      for batch in batches {
        try watch.run(batch) { slice, input in
          _ = try executor.run(input)
          let broken = collector.broken
          if !broken.isEmpty {
            throw QuantizationError.nonFiniteActivations(
              step: slice.step, work: RangeCollector.work, sites: broken.map(\.description))
          }
        }
        collector.endBatch()
      }
      let ranges = collector.take()
      if let site = sites.first(where: { ranges[$0] == nil }) {
        preconditionFailure("the executor did not report \(site)")
      }
      rows.append(ranges)
    }
    return forms.quantizers(key, of: sites, rows, in: model.graph)
  }
}

extension ActivationQuantizers.Key {
  /// The same with rows for each branch.
  fileprivate var byBranch: ActivationQuantizers.Key { rowsPerStep == nil ? .branch : .stepAndBranch }
}

extension [Site: SiteForm] {
  /// Quantisers of sites whose ranges were found row by row; what follows from a context alone has one for all rows.
  func quantizers(
    _ key: ActivationQuantizers.Key, of sites: [Site], _ rows: [[Site: [ValueRange]]], in graph: Graph
  ) -> [Site: ActivationQuantizers] {
    [Site: ActivationQuantizers](
      uniqueKeysWithValues: sites.compactMap { site -> (Site, ActivationQuantizers)? in
        guard let form = self[site] else { return nil }
        let found = rows.compactMap { $0[site] }
        guard graph.followsContext(site), let first = found.first else {
          return (site, ActivationQuantizers(key: key, rows: found.map(form.quantizer)))
        }
        let whole = found.dropFirst().reduce(first) { all, row in zip(all, row).map { $0.union($1) } }
        return (site, ActivationQuantizers(shared: form.quantizer(whole)))
      })
  }
}

extension Graph {
  /// Whether the values at an activation site follow from a context alone: the inputs of the layers that make keys and values
  /// of cross-attention, and these themselves.
  fileprivate func followsContext(_ site: Site) -> Bool {
    guard let (node, tensor) = place(of: site), case .operand(let position) = tensor else { return false }
    return phase(of: node.inputs[position]) == .context
  }
}
