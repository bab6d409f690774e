import Execution
import Graphs
import Quantization
import Tensors
import TestSupport
import Testing

@Suite struct AdaptiveRangesTests {
  static let ranges: [RangeEstimator] = [.minMax, .l1Shrinks, .l24Shrinks]

  static func recipe(_ change: (ConfigurationValue) -> ConfigurationValue = { $0 }) throws -> Recipe {
    let value = Recipe.plainValue.setting("weights.bits", 3).setting("weights.symmetric", false)
      .setting("activations.bits", 4).setting("activations.ema", ["decay": 0.9, "batch": 4])
      .setting(
        "adaptive_ranges", ["ranges": .list(ranges.map { .string($0.rawValue) }), "samples": 4])
    return try Recipe(change(value), file: "a.yaml")
  }

  /// Mean squared deviation over the samples that the stage looks at: step i of 4 samples spread over 2 steps.
  static func error(_ network: QuantizedNetwork, _ tiny: TinyModel, _ set: CalibrationSet) throws -> Double {
    var total = 0.0
    for index in 0..<4 {
      let step = index * 2 / 4
      let samples = set.samples(step: step, (index % 4)..<(index % 4 + 1))
      let input = NetworkInput(
        x: samples.x, timesteps: [set.provenance.steps[step].timestep], conditioning: samples.conditioning,
        stepIndex: step)
      let (float, found) = (
        try ReferenceExecutor(tiny.model).run(input),
        try ReferenceExecutor(network.model, simulating: network.table).run(input)
      )
      total += zip(float.values, found.values).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
    }
    return total
  }

  @Test("each layer's weight has the range of least output error, layers before as chosen, those after float")
  func weights() throws {
    let tiny = try TinyModel()
    let recipe = try Self.recipe { $0.setting("weights.bias_correction", true) }
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    let chosen = try tiny.task(recipe, set).firstRounding()
    let candidates = try Self.ranges.map { range in
      var plain = recipe
      plain.weights?.range = range
      return try tiny.task(plain, set).roundedWeights()
    }
    var network = QuantizedNetwork(model: tiny.model)
    var kinds = Set<Int>()
    for (path, parameter) in tiny.model.graph.layerWeights {
      let errors = try candidates.map { candidate in
        var changed = network
        changed.table.weights[path] = candidate.table.weights[path]
        let bias = parameter.dropLast("weight".count) + "bias"
        changed.model = Model(
          graph: tiny.model.graph,
          parameters: network.model.parameters.merging([String(bias): candidate.model.parameters[String(bias)]!]) { $1 }
        )
        return (changed, try Self.error(changed, tiny, set))
      }
      let best = errors.indices.min { errors[$0].1 < errors[$1].1 }!
      kinds.insert(best)
      network = errors[best].0
      #expect(chosen.table.weights[path] == network.table.weights[path], "\(path)")
    }
    #expect(chosen.model.parameters == network.model.parameters)
    // Otherwise the test would see nothing.
    #expect(kinds.count > 1)
  }

  @Test(
    "each activation's quantiser is one of the candidates', and together they suffer less",
    arguments: ["shared", "all"])
  func activations(tables: String) throws {
    let tiny = try TinyModel()
    let recipe = try Self.recipe {
      $0.setting("method", "tfmq").setting("activation_tables", .string(tables)).setting("weights.bits", 8)
    }
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    let task = try tiny.task(recipe, set)
    let network = try task.withActivations(task.firstRounding())
    var errors: [Double] = []
    var candidates: [[Site: ActivationQuantizers]] = []
    for range in Self.ranges {
      var plain = recipe
      plain.activations?.range = range
      var other = network
      other.table.activations = try tiny.task(plain, set).activationQuantizers(network)
      errors.append(try Self.error(other, tiny, set))
      candidates.append(other.table.activations)
    }
    #expect(Set(network.table.activations.keys) == Set(candidates[0].keys))
    for (site, quantizers) in network.table.activations {
      #expect(candidates.contains { $0[site] == quantizers }, "\(site)")
    }
    #expect(try Self.error(network, tiny, set) < errors.max()!)
  }
}
