import Diffusion
import Execution
import Graphs
import Quantization
import Synchronization
import Tensors
import TestSupport
import Testing

/// Extremes of every site in direct runs of the reference executor: what the stages must find.
private func extremes(
  _ model: Model, _ table: QuantizationTable, _ set: CalibrationSet, steps: Range<Int>
) throws -> [Site: ValueRange] {
  let found = Mutex<[Site: ValueRange]>([:])
  let observer = SiteObserver { site, value in
    guard let range = ValueRange(of: value.values) else { return }
    found.withLock { $0[site] = $0[site]?.union(range) ?? range }
  }
  let executor = try ReferenceExecutor(model, simulating: table, observer: observer)
  for step in steps {
    let samples = set.samples(step: step, 0..<set.counts[step])
    _ = try executor.run(
      NetworkInput(
        x: samples.x, timesteps: .init(repeating: set.provenance.steps[step].timestep, count: samples.count),
        conditioning: samples.conditioning, stepIndex: step))
  }
  return found.withLock { $0 }
}

@Suite struct ActivationRangeTests {
  private let rule = GridRule(.activation, bits: 8, symmetric: false, estimator: .minMax)

  @Test("shared ranges are the extremes over all steps; each step's are that step's") func direct() throws {
    let tiny = try TinyModel()
    let recipe = try Recipe.plain()
    let set = try tiny.calibrationSet(recipe.calibration, steps: 3)
    let task = try tiny.task(recipe, set)
    let network = QuantizedNetwork(model: tiny.model)
    let shared = try task.sharedRanges(network)
    let perStep = try task.rangesPerStep(network)
    let all = try extremes(tiny.model, QuantizationTable(), set, steps: 0..<3)
    let layers = tiny.model.graph.sites.filter { $0.role == .input }
    #expect(Set(shared.keys) == Set(layers))
    for site in layers {
      #expect(shared[site] == ActivationQuantizers(shared: rule.quantizer(all[site]!)))
    }
    for step in 0..<3 {
      let own = try extremes(tiny.model, QuantizationTable(), set, steps: step..<step + 1)
      for site in layers { #expect(perStep[site]?.rows[step] == rule.quantizer(own[site]!)) }
    }
    #expect(perStep.values.allSatisfy { $0.key == .step && $0.rows.count == 3 })
  }

  @Test("upstream decides what the network is while ranges are collected") func upstream() throws {
    let tiny = try TinyModel()
    var recipe = try Recipe.plain()
    recipe.weights?.bits = 3
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    let network = try tiny.task(recipe, set).roundedWeights()
    var table = network.table
    var shared: [Recipe.Upstream: [Site: ActivationQuantizers]] = [:]
    for upstream in Recipe.Upstream.allCases {
      recipe.activations?.upstream = upstream
      shared[upstream] = try tiny.task(recipe, set).sharedRanges(network)
    }
    func expected(_ table: QuantizationTable) throws -> [Site: ActivationQuantizers] {
      try extremes(tiny.model, table, set, steps: 0..<2).filter { $0.key.role == .input }
        .mapValues { ActivationQuantizers(shared: rule.quantizer($0)) }
    }
    #expect(shared[.float] == (try expected(QuantizationTable())))
    #expect(shared[.quantizedWeights] == (try expected(table)))
    // The first look needs no more than these few samples, so it finds the ranges of quantised weights.
    table.activations = shared[.quantizedWeights]!
    #expect(shared[.quantized] == (try expected(table)))
  }

  @Test("a step with fewer samples than its tables need is refused before any call") func tooSmall() throws {
    let tiny = try TinyModel()
    var recipe = try Recipe.plain()
    recipe.method = "tfmq"
    recipe.activationTables = .all
    recipe.activations?.average = .init(decay: 0.95, batch: 16)
    let set = try tiny.calibrationSet(recipe.calibration, steps: 4)
    let error = thrownError { _ = try tiny.task(recipe, set) } as? QuantizationError
    #expect(error?.message == "the calibration set holds fewer than 16 samples at sampling steps 0-3")
    #expect(error?.id == "E-CAL-SMALL")
  }

  @Test("values that are not finite are named with their step and site") func notFinite() throws {
    let tiny = try TinyModel()
    let recipe = try Recipe.plain()
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    var parameters = tiny.model.parameters
    parameters["conv_in.bias"]!.values[0] = .infinity
    let task = try QuantizationTask(
      model: Model(graph: tiny.model.graph, parameters: parameters), recipe: recipe, set: set,
      makeExecutor: { try ReferenceExecutor($0, simulating: $1, observer: $2) }, pool: WorkerPool(threads: 1),
      progress: { _ in })
    let error = thrownError { _ = try task.sharedRanges(QuantizedNetwork(model: task.model)) } as? QuantizationError
    #expect(error?.id == "E-QUANT-ACTIVATION")
    #expect(
      error?.message.hasPrefix(
        "NaN or infinite activations at sampling step 0 while ranges were collected:\n  conv_out:input") == true)
  }

  @Test("channels that are not finite are named before smoothing weighs them") func infiniteChannels() throws {
    let tiny = try TinyModel()
    var recipe = try Recipe.plain()
    recipe.smoothing = .init(samplesPerStep: 2)
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    var parameters = tiny.model.parameters
    parameters["conv_in.bias"]!.values[0] = .infinity
    let task = try QuantizationTask(
      model: Model(graph: tiny.model.graph, parameters: parameters), recipe: recipe, set: set,
      makeExecutor: { try ReferenceExecutor($0, simulating: $1, observer: $2) }, pool: WorkerPool(threads: 1),
      progress: { _ in })
    let error = thrownError { _ = try task.smoothingScales() } as? QuantizationError
    #expect(error?.id == "E-QUANT-ACTIVATION")
    #expect(
      error?.message.hasPrefix(
        "NaN or infinite activations at sampling step 0 while channels were watched:\n  conv_out:input") == true,
      "\(String(describing: error?.message))")
  }

  @Test("weights that are not finite are named") func badWeights() throws {
    let tiny = try TinyModel()
    let recipe = try Recipe.plain()
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    var parameters = tiny.model.parameters
    parameters["conv_in.weight"]!.values[3] = .nan
    parameters["conv_out.weight"]!.values[0] = -.infinity
    let task = try QuantizationTask(
      model: Model(graph: tiny.model.graph, parameters: parameters), recipe: recipe, set: set,
      makeExecutor: { try ReferenceExecutor($0, simulating: $1, observer: $2) }, pool: WorkerPool(threads: 1),
      progress: { _ in })
    let error = thrownError { _ = try task.roundedWeights() } as? QuantizationError
    #expect(error?.message == "weights that are NaN or infinite cannot be quantised:\n  conv_in\n  conv_out")
  }

  @Test("work stops where the progress handler throws") func stopping() throws {
    struct Stop: Error {}
    let tiny = try TinyModel()
    let recipe = try Recipe.plain()
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    let task = try QuantizationTask(
      model: tiny.model, recipe: recipe, set: set,
      makeExecutor: { try ReferenceExecutor($0, simulating: $1, observer: $2) }, pool: WorkerPool(threads: 1),
      progress: { if $0.stage == "collecting activation ranges" { throw Stop() } })
    #expect(throws: Stop.self) { try task.run() }
  }
}

@Suite struct TemporalRangeTests {
  @Test("the block by itself gives the values inside the whole network") func same() throws {
    let tiny = try TinyModel()
    let recipe = try Recipe.plain()
    let set = try tiny.calibrationSet(recipe.calibration, steps: 3)
    let graph = tiny.model.graph
    let temporal = try tiny.task(recipe, set).temporalRanges(QuantizedNetwork(model: tiny.model))
    let members = graph.nodes.filter { graph.isTemporal[$0.index] }.map(\.path)
    #expect(Set(temporal.keys) == Set(graph.sites.filter { $0.role == .input && members.contains($0.node) }))
    #expect(temporal.count >= 6)
    let rule = GridRule(.activation, bits: 8, symmetric: false, estimator: .minMax)
    for step in 0..<3 {
      let whole = try extremes(tiny.model, QuantizationTable(), set, steps: step..<step + 1)
      for (site, quantizers) in temporal {
        #expect(quantizers.key == .step)
        #expect(quantizers.rows[step] == rule.quantizer(whole[site]!))
      }
    }
  }

  @Test("with classes, sites that depend on the label have a row per step and class") func classes() throws {
    let tiny = try TinyModel(classes: 3)
    let recipe = try Recipe.plain()
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    let temporal = try tiny.task(recipe, set).temporalRanges(QuantizedNetwork(model: tiny.model))
    let rule = GridRule(.activation, bits: 8, symmetric: false, estimator: .minMax)
    let found = Mutex<[Site: ValueRange]>([:])
    let observer = SiteObserver { site, value in
      guard let range = ValueRange(of: value.values) else { return }
      found.withLock { $0[site] = range }
    }
    let executor = try ReferenceExecutor(tiny.model, observer: observer)
    for step in 0..<2 {
      for label in 0..<3 {
        _ = try executor.run(
          NetworkInput(
            x: Tensor([1, 1, 8, 8], repeating: 0.3), timesteps: [set.provenance.steps[step].timestep],
            conditioning: [Conditioning(label: label)],
            stepIndex: step))
        let ranges = found.withLock { $0 }
        for (site, quantizers) in temporal {
          #expect(quantizers.quantizer(stepIndex: step, label: label) == rule.quantizer(ranges[site]!), "\(site)")
        }
      }
    }
    // The time embedding's own layers come before the label is added.
    let early = Set(["time_embedding.linear_1", "time_embedding.linear_2"])
    for (site, quantizers) in temporal {
      #expect(quantizers.key == (early.contains(site.node) ? .step : .stepAndLabel(classCount: 3)))
    }
  }

  @Test("identical rows for every step act like one shared quantiser, bit for bit") func identicalRows() throws {
    let tiny = try TinyModel()
    let recipe = try Recipe.plain()
    let set = try tiny.calibrationSet(recipe.calibration, steps: 3)
    var table = try tiny.task(recipe, set).run().table
    let shared = try ReferenceExecutor(tiny.model, simulating: table)
    table.activations = table.activations.mapValues {
      ActivationQuantizers(key: .step, rows: .init(repeating: $0.rows[0], count: 3))
    }
    let perStep = try ReferenceExecutor(tiny.model, simulating: table)
    for step in 0..<3 {
      let samples = set.samples(step: step, 0..<4)
      let input = NetworkInput(
        x: samples.x, timesteps: .init(repeating: set.provenance.steps[step].timestep, count: 4), stepIndex: step)
      #expect(try shared.run(input) == perStep.run(input))
    }
  }
}
