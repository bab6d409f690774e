import Execution
import Graphs
import Quantization
import Tensors
import TestSupport
import Testing

/// Recipes that quantise what attention multiplies.
@Suite struct AttentionProductTests {
  private let tiny: TinyModel
  private let recipe: Recipe

  init() throws {
    tiny = try TinyModel()
    recipe = try Self.recipe("quantized")
  }

  private static func recipe(_ products: ConfigurationValue, bits: ConfigurationValue = 8) throws -> Recipe {
    try Recipe(
      Recipe.plainValue.setting("activations.attention_products", products).setting("activations.bits", bits),
      file: "attention.yaml")
  }

  private func operands(_ table: QuantizationTable) -> [Site: ActivationQuantizers] {
    table.activations.filter { site, _ in site.role == .operand(0) || site.role == .operand(1) }
  }

  private var attentions: [Attention] { tiny.model.graph.nodes.compactMap { $0.op.facts.attention } }

  @Test("right operands are symmetric, probabilities have the fixed grid of [0, 1]") func grids() throws {
    let set = try tiny.calibrationSet(recipe.calibration, steps: 3)
    let found = operands(try tiny.task(recipe, set).run().table)
    #expect(!attentions.isEmpty && found.count == 4 * attentions.count)
    for site in attentions.flatMap({ [$0.keys, $0.valueOperand] }) {
      #expect(found[site]?.rows.map(\.zeroPoints) == [[128]])
    }
    let unit = ActivationQuantizers(shared: AffineQuantizer(bits: 8, scale: 1 / 255, zeroPoint: 0))
    for attention in attentions { #expect(found[attention.probabilities] == unit) }
  }

  @Test("float products have no quantisers") func float() throws {
    let recipe = try Self.recipe("float")
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    #expect(operands(try tiny.task(recipe, set).run().table).isEmpty)
  }

  @Test("a pattern keeps one operand float") func pattern() throws {
    let value = Recipe.plainValue.setting("activations.attention_products", "quantized")
      .setting("float_layers", ["**:operand0"])
    let chosen = try Recipe(value, file: "r").selection(in: tiny.model.graph)
    #expect(Set(chosen.activations.map(\.role)) == [.input, .operand(1)])
  }

  @Test("integers execute what was simulated, per step, at eight and at four bits", arguments: [8, 4])
  func execution(bits: Int) throws {
    var recipe = try Self.recipe("quantized", bits: .integer(bits))
    recipe.method = "tfmq"
    recipe.activationTables = .all
    let set = try tiny.calibrationSet(recipe.calibration, steps: 3)
    let network = try tiny.task(recipe, set, threads: 2).run()
    #expect(try tiny.task(recipe, set).run().table == network.table)
    for attention in attentions { #expect(network.table.activations[attention.queries]?.rows.count == 3) }
    let artefact = try tiny.artefact(recipe, set, network)
    let (tensors, header) = artefact.encode()
    #expect(try QuantizedModel(tensors: tensors, header: header, file: "a") == artefact)

    let input = set.input(step: 1, 0..<2)
    let simulated = try ReferenceExecutor(network.model, simulating: network.table).run(input)
    let executed = try IntegerExecutor(network.model, table: network.table).run(input)
    // Sums in another order may tip a code: a few steps of one activation grid.
    #expect(relativeError(executed, simulated) < (bits == 8 ? 1e-2 : 0.1))
    if bits == 8 { #expect(relativeError(executed, try ReferenceExecutor(tiny.model).run(input)) < 0.1) }
  }
}
