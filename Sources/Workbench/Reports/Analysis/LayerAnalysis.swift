import Diffusion
import Execution
import Graphs
import Quantization
import Tensors

/// Looks for the layers that make a quantised model deviate, on a few images at a few steps, so that it stays affordable for
/// any network.
///
/// - Isolated: the float network with one operand of one layer quantised; how far its output is from the float network's, on
///   the states of the float network's own trajectory.
/// - Accumulated: what reaches a layer in the quantised network, against what reaches it in the float one, on equal calls.
struct LayerAnalysis {
  /// Images, and steps of the trajectory that are looked at.
  static let images = 2
  static let steps = 8
  /// Layers whose ranges and histograms are kept.
  private static let shownLayers = 6

  let float: ModelSource
  let quantized: ModelSource
  let table: QuantizationTable
  let sampler: any Sampler
  let guidance: GuidanceSetting?
  let compute: Compute
  let session: Session

  /// - Throws: when the two are no pair, or the sampler does not fit the quantised model's tables.
  init(float: ModelSource, quantized: ModelSource, compute: Compute, session: Session) throws {
    try float.checkPair(with: quantized)
    self.float = float
    self.quantized = quantized
    table = quantized.quantized?.table ?? QuantizationTable()
    sampler = try quantized.sampler(nil, assets: session.assets).sampler
    guidance = try GuidanceOptions().setting(for: quantized)
    self.compute = compute
    self.session = session
  }

  private var isolation: LayerIsolation {
    LayerIsolation(float: float.model, quantized: quantized.model, table: table)
  }

  /// How long `run` takes, from the time of a few calls. - Parameter planning: of the float model.
  func estimate(_ planning: TimePlanning) throws -> WorkEstimate {
    let clock = ContinuousClock()
    let began = clock.now
    _ = try compute.simulating(float.model, QuantizationTable(), nil)
    let building = (clock.now - began) / .seconds(1)
    let paths = isolation.paths
    let networks = Double(paths.reduce(0) { $0 + (table.weights[$1] == nil ? 1 : 2) })
    let calls = Double(Self.images * Self.steps)
    return WorkEstimate(stages: [
      .init(
        name: "the float trajectory",
        seconds: Double(Self.images * planning.stepCount) * planning.callSeconds * WorkEstimate.watchedCall),
      .init(
        name: "layer by layer", seconds: networks * (building + calls * planning.callSeconds * WorkEstimate.watchedCall)
      ),
    ])
  }

  /// - Throws: `Stopped` after a stop signal.
  func run() throws -> ReportAnalysis {
    let reporter = WorkReporter(session)
    let trajectory = try FloatTrajectory(
      of: float, sampler: sampler, guidance: guidance, images: Self.images, keeping: Self.steps, compute: compute,
      reporter: reporter)
    var layers = try isolated(trajectory, reporter)
    let watch = try SiteComparison(float: float.model, quantized: quantized.model, table: table, compute: compute)
    for (position, input) in trajectory.inputs.enumerated() {
      try watch.compare(input)
      try reporter.report(
        WorkProgress(
          stage: "comparing what reaches layers", unit: "steps", done: position + 1, total: trajectory.inputs.count))
    }
    reporter.finish()
    for index in layers.indices { try fill(&layers[index], watch) }
    var analysis = ReportAnalysis(
      float: float.digest, quantized: quantized.digest, images: Self.images, steps: trajectory.kept, layers: layers,
      ranges: [], histograms: [])
    for share in analysis.shares.prefix(Self.shownLayers) {
      analysis.histograms += try histograms(share.path, watch)
      analysis.ranges += ranges(share.path, trajectory)
    }
    return analysis
  }

  private func isolated(_ trajectory: FloatTrajectory, _ reporter: WorkReporter) throws -> [ReportAnalysis.Layer] {
    let error = try OutputError(of: float.model, on: trajectory.inputs, makeExecutor: compute.simulating)
    let isolation = isolation
    return try isolation.paths.enumerated().map { position, path in
      let weight = try isolation.network(path, .weight).map(error.relativeErrors)
      var activation = try isolation.network(path, .activations).map(error.relativeErrors)
      if isolation.needsWeight(path), let both = activation, let weight {
        activation = zip(both, weight).map { max($0 - $1, 0) }
      }
      try reporter.report(
        WorkProgress(
          stage: "isolating layers of \(quantized.name)", unit: "layers", done: position + 1,
          total: isolation.paths.count))
      return ReportAnalysis.Layer(path: path, weight: weight, activation: activation)
    }
  }

  private func fill(_ layer: inout ReportAnalysis.Layer, _ watch: SiteComparison) throws {
    layer.accumulated = watch.accumulated(layer.path)
    let sites = table.activations.keys.filter { $0.node == layer.path }.sorted()
    let found = sites.compactMap { watch.histogram($0) }
    let counted = found.reduce(0) { $0 + $1.count }
    if counted > 0 {
      layer.clippedActivations = Double(found.reduce(0) { $0 + $1.clippedCount }) / Double(counted)
    }
    layer.clippedWeights = try weightHistogram(layer.path)?.clipped
  }

  private func weightHistogram(_ path: String) throws -> CodeHistogram? {
    guard let quantized = table.weights[path], let name = float.model.graph.node(at: path)?.op.parameters.first,
      let weight = try float.model.parameter(name), weight.dims == quantized.dims
    else { return nil }
    var histogram = CodeHistogram(largestCode: quantized.quantizer.largestCode)
    histogram.add(weight: weight, quantized)
    return histogram
  }

  private func histograms(_ path: String, _ watch: SiteComparison) throws -> [ReportAnalysis.Histogram] {
    let weight = try weightHistogram(path).map { [$0.report(Site(node: path, role: .weight))] } ?? []
    let sites = table.activations.keys.filter { $0.node == path }.sorted()
    return weight + sites.compactMap { site in watch.histogram(site)?.report(site) }
  }

  /// Nothing for inputs that are scaled channel by channel: their grid is not that of the values.
  private func ranges(_ path: String, _ trajectory: FloatTrajectory) -> [ReportAnalysis.Ranges] {
    if table.weights[path]?.inputScales != nil { return [] }
    return table.activations.keys.filter { $0.node == path }.sorted().compactMap { site in
      let found = trajectory.extremes.compactMap { $0[site] }
      guard let quantizers = table.activations[site], found.count == trajectory.steps.count else { return nil }
      let grids =
        quantizers.key == .shared
        ? [quantizers.rows[0]]
        : trajectory.steps.map {
          quantizers.quantizer(stepIndex: $0.index, label: nil)
        }
      return .init(
        site: "\(site)", lower: found.map(\.lower), upper: found.map(\.upper), gridLower: grids.map { $0.ends.lower },
        gridUpper: grids.map { $0.ends.upper })
    }
  }
}

extension AffineQuantizer {
  /// The smallest and largest value that a code of any granule stands for.
  var ends: ValueRange {
    let ranges = zip(scales, zeroPoints).map { scale, zero in
      ValueRange(lower: Double(scale) * Double(-zero), upper: Double(scale) * Double(largestCode - zero))
    }
    return ranges.dropFirst().reduce(ranges[0]) { $0.union($1) }
  }
}

extension Compute {
  /// Makes executors that simulate a table in Float, as images of float models are drawn.
  var simulating: ExecutorFactory {
    let (pool, kernels) = (pool, kernels)
    return { model, table, observer in
      try FloatExecutor(
        model, simulating: table, winograd: true, pool: pool, kernels: kernels, observer: observer)
    }
  }
}
