import Execution
import Graphs
import Quantization
import Tensors
import TestSupport
import Testing

/// One layer quantised and nothing else: what the error of a layer is before others add to it.
@Suite struct LayerIsolationTests {
  private struct Made {
    let tiny: TinyModel
    let network: QuantizedNetwork
    let isolation: LayerIsolation
    let error: OutputError
    let input: NetworkInput

    init(_ value: ConfigurationValue = Recipe.plainValue) throws {
      tiny = try TinyModel()
      let recipe = try Recipe(value, file: "a.yaml")
      let set = try tiny.calibrationSet(recipe.calibration, steps: 3)
      network = try tiny.task(recipe, set).run()
      isolation = LayerIsolation(float: tiny.model, quantized: network.model, table: network.table)
      input = NetworkInput(
        x: try set.samples(step: 1, 0..<2).x,
        timesteps: [set.provenance.steps[1].timestep, set.provenance.steps[1].timestep], stepIndex: 1)
      error = try OutputError(of: tiny.model, on: [input]) { try ReferenceExecutor($0, simulating: $1, observer: $2) }
    }
  }

  @Test("operands are quantised one by one, in the order of the network") func operands() throws {
    let made = try Made()
    let order = made.tiny.model.graph.nodes.flatMap { $0.sites.map(\.site.node) }
    let places = made.isolation.paths.compactMap { order.firstIndex(of: $0) }
    #expect(places == places.sorted() && places.count == made.isolation.paths.count)
    for path in made.isolation.paths {
      let weight = made.isolation.network(path, .weight)
      #expect(weight.map { Set($0.table.weights.keys) } == (made.network.table.weights[path] == nil ? nil : [path]))
      #expect(weight?.table.activations.isEmpty ?? true)
      let activations = made.isolation.network(path, .activations)
      #expect(activations?.table.weights.isEmpty ?? true)
      #expect(activations?.table.activations.keys.allSatisfy { $0.node == path } ?? true)
    }
  }

  @Test("an error is that of executing the layer's codes, and nothing quantised has none") func errors() throws {
    let made = try Made()
    let expected = try ReferenceExecutor(made.tiny.model).run(made.input)
    let path = try #require(made.isolation.paths.first { made.network.table.weights[$0] != nil })
    let network = try #require(made.isolation.network(path, .weight))
    let found = try ReferenceExecutor(network.model, simulating: network.table).run(made.input)
    let deviation = zip(found.values, expected.values).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
    let energy = expected.values.reduce(0.0) { $0 + Double($1 * $1) }
    let error = try made.error.relativeErrors(network)[0]
    #expect(error > 0 && abs(error - deviation / energy) < 1e-6 * error + 1e-12)
    #expect(try made.error.relativeErrors(QuantizedNetwork(model: made.tiny.model)) == [0])
  }

  @Test("biases that belong to codes go with them") func biases() throws {
    let made = try Made(Recipe.plainValue.setting("weights.bias_correction", true))
    let graph = made.tiny.model.graph
    let corrected = made.isolation.paths.filter { path in
      guard let bias = graph.node(at: path)?.op.parameters.dropFirst().first else { return false }
      return made.network.model.parameters[bias] != made.tiny.model.parameters[bias]
    }
    let path = try #require(corrected.first)
    let bias = try #require(graph.node(at: path)?.op.parameters.dropFirst().first)
    let network = try #require(made.isolation.network(path, .weight))
    #expect(network.model.parameters[bias] == made.network.model.parameters[bias])
    let others = network.model.parameters.filter { $0.value != made.tiny.model.parameters[$0.key] }
    #expect(others.keys.sorted() == [bias])
    #expect(made.isolation.network(path, .activations)?.model.parameters[bias] == made.tiny.model.parameters[bias])
  }
}
