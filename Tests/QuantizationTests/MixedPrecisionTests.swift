import Execution
import Graphs
import Quantization
import Tensors
import TestSupport
import Testing

@Suite struct PrecisionCostTests {
  @Test("bytes as they are stored, operations by both widths, time by arithmetic") func costs() {
    // 4 rows of 5: 3 packed bytes a row, or 5, and 6 for scale and zero point.
    let bytes = PrecisionCost(budget: .bytes, weightCount: 20, rows: 4, multiplyAccumulates: 100)
    #expect(bytes.cost(weight: 4, activation: 8) == 36 && bytes.cost(weight: 3, activation: 32) == 36)
    #expect(bytes.cost(weight: 8, activation: 8) == 44 && bytes.float == 80)
    let operations = PrecisionCost(budget: .bitOperations, weightCount: 20, rows: 4, multiplyAccumulates: 100)
    #expect(operations.cost(weight: 4, activation: 8) == 3200 && operations.float == 102_400)
    let time = PrecisionCost(budget: .time, weightCount: 20, rows: 4, multiplyAccumulates: 100)
    #expect(time.cost(weight: 4, activation: 8) == 100 && time.cost(weight: 4, activation: 32) == 300)
  }
}

@Suite struct PrecisionSearchTests {
  private func layer(_ path: String, _ count: Int) -> PrecisionSearch.Layer {
    .init(
      path: path, cost: PrecisionCost(budget: .bitOperations, weightCount: count, rows: 1, multiplyAccumulates: 1),
      weights: [8, 4], activations: [8])
  }

  @Test("the cheapest harm goes first, until the budget holds") func greedy() throws {
    let layers = ["a", "b", "c"].map { layer($0, 10) }
    let errors = [0.3, 0.1, 0.2]
    let sensitivities = zip(layers, errors).map {
      LayerSensitivity(path: $0.path, weight: [4: $1], activation: [:])
    }
    // Each layer costs 64 or 32.
    let expected: [(limit: Double, narrow: Set<String>)] = [
      (192, []), (191, ["b"]), (160, ["b"]), (159, ["b", "c"]), (96, ["a", "b", "c"]),
    ]
    for (limit, narrow) in expected {
      let search = try PrecisionSearch(layers: layers, fixed: 0, limit: limit, float: 3072)
      let found = search.allocation(sensitivities)
      #expect(Set(found.filter { $0.value.weight == 4 }.keys) == narrow, "\(limit)")
    }
  }

  @Test("a budget below the narrowest choice is refused") func impossible() {
    let error =
      thrownError {
        _ = try PrecisionSearch(layers: [layer("a", 1)], fixed: 4, limit: 20, float: 1000)
      } as? QuantizationError
    #expect(error?.id == "E-QUANT-BUDGET")
    #expect(
      error?.message == "mixed_precision.share is 0.02, and the narrowest widths cost 0.036 of the float network")
    #expect(error?.hint == "allow narrower widths, or leave fewer layers float")
  }
}

@Suite struct MixedPrecisionTests {
  private static let search: ConfigurationValue = [
    "budget": "bit_operations", "share": 0.1, "weight_bits": [8, 4], "activation_bits": [8, 4], "samples": 4,
  ]

  private static func value(_ search: ConfigurationValue = search) -> ConfigurationValue {
    Recipe.plainValue.setting("method", "mixed").setting("mixed_precision", search)
  }

  @Test("the budget holds, the sensitive stay wide, and the artefact executes") func search() throws {
    let tiny = try TinyModel()
    let recipe = try Recipe(Self.value(), file: "a.yaml")
    let set = try tiny.calibrationSet(recipe.calibration, steps: 3)
    let network = try tiny.task(recipe, set).run()
    let summary = GraphSummary(tiny.model.graph)
    var (cost, float) = (0.0, 0.0)
    var widths = Set<Int>()
    for contraction in summary.contractions where !contraction.isTemporal {
      let site = Site(node: contraction.path, role: .input)
      let weight = network.table.weights[contraction.path]?.quantizer.bits ?? 32
      let activation = network.table.activations[site]?.rows[0].bits ?? 32
      widths.formUnion([weight, activation])
      cost += Double(contraction.multiplyAccumulates * weight * activation)
      float += Double(contraction.multiplyAccumulates * 1024)
    }
    #expect(cost <= 0.1 * float && cost > 0.08 * float)
    #expect(widths.isSuperset(of: [4, 8]))
    #expect(network.sensitivities.count == network.table.weights.count)
    #expect(try tiny.task(recipe, set, threads: 2).run().table == network.table)
    let input = NetworkInput(
      x: set.samples(step: 1, 0..<1).x, timesteps: [set.provenance.steps[1].timestep], stepIndex: 1)
    let simulated = try ReferenceExecutor(network.model, simulating: network.table).run(input)
    #expect(relativeError(try IntegerExecutor(network.model, table: network.table).run(input), simulated) < 1e-2)
  }

  @Test("learning keeps the widths that the search has chosen, and brings the output nearer") func learned() throws {
    let tiny = try TinyModel()
    let value = Self.value().setting("activations", "float").setting("mixed_precision.activation_bits", [32])
      .setting("mixed_precision.share", 0.22)
    let learning = Recipe.learningValue.setting("relaxation", "straight_through").setting("learning_rate", 0.01)
    let learned = value.setting(
      "reconstruction", Recipe.reconstructionValue.setting("blocks", "none").setting("network", learning))
    let recipe = try Recipe(value, file: "a.yaml")
    let set = try tiny.calibrationSet(recipe.calibration, steps: 3)
    let before = try tiny.task(recipe, set).run()
    let after = try tiny.task(Recipe(learned, file: "b.yaml"), set).run()
    let widths = { (network: QuantizedNetwork) in network.table.weights.mapValues(\.quantizer.bits) }
    #expect(widths(after) == widths(before) && Set(widths(after).values) == [4, 8])
    #expect(after.sensitivities == before.sensitivities)
    let input = set.input(step: 1, 0..<2)
    let float = try ReferenceExecutor(tiny.model).run(input)
    let errors = try [before, after].map {
      relativeError(try ReferenceExecutor($0.model, simulating: $0.table).run(input), float)
    }
    #expect(errors[1] < errors[0])
  }

  @Test("float is a width too") func float() throws {
    let tiny = try TinyModel()
    let value = Self.value([
      "budget": "time", "share": 0.6, "weight_bits": [8], "activation_bits": [8, 32], "samples": 4,
    ])
    let recipe = try Recipe(value, file: "a.yaml")
    let set = try tiny.calibrationSet(recipe.calibration, steps: 3)
    let table = try tiny.task(recipe, set).run().table
    let layers = tiny.model.graph.sites.count { $0.role == .weight }
    #expect(table.weights.count == layers)
    #expect(!table.activations.isEmpty && table.activations.count < layers)
  }

  @Test(
    "what the search cannot mean is said",
    arguments: [
      (
        value().setting("mixed_precision", "none"),
        "a.yaml: method mixed searches under a budget; give mixed_precision a map"
      ),
      (
        value().setting("method", "rtn"),
        "a.yaml: mixed_precision: is searched by method mixed, and this recipe says rtn"
      ),
      (
        value().setting("mixed_precision.weight_bits", [8, 9]),
        "a.yaml: mixed_precision.weight_bits: expected different widths from 2 to 8, or 32 for float, found [8, 9]"
      ),
      (
        value().setting("weights.bits", 4),
        "a.yaml: mixed_precision: weights.bits is 4, expected the widest integer choice, 8"
      ),
    ]) func contradictions(value: ConfigurationValue, message: String)
  {
    let error = thrownError { _ = try Recipe(value, file: "a.yaml") } as? ConfigurationError
    #expect(error?.message == message)
  }
}
