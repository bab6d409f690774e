import Diffusion
import Execution
import Formats
import Graphs
import Quantization
import Tensors
import TestSupport
import Testing

@Suite struct TemporalFeatureTests {
  /// W4A8 by TFMQ.
  static func recipe(_ features: ConfigurationValue, weightBits: Int = 4) throws -> Recipe {
    try Recipe(
      Recipe.plainValue.setting("method", "tfmq").setting("activation_tables", "all")
        .setting("weights.bits", .integer(weightBits)).setting("weights.symmetric", false)
        .setting("temporal_features", features), file: "a.yaml")
  }

  static func kept(_ bits: Int) -> ConfigurationValue { ["source": "kept", "bits": .integer(bits)] }
  static func selected(_ bits: Int, _ measure: String = "relative_error") -> ConfigurationValue {
    ["source": "selected", "bits": .integer(bits), "disturbance": .string(measure)]
  }

  static func run(_ recipe: Recipe, classes: Int?, steps: Int = 3) throws -> (
    TinyModel, CalibrationSet, QuantizedNetwork
  ) {
    let tiny = try TinyModel(classes: classes)
    let set = try tiny.calibrationSet(recipe.calibration, steps: steps)
    return (tiny, set, try tiny.task(recipe, set).run())
  }

  @Test("kept features are the float network's, for every step and class", arguments: [8, 32], [nil, 3])
  func keptFeatures(bits: Int, classes: Int?) throws {
    let (tiny, set, network) = try Self.run(try Self.recipe(Self.kept(bits)), classes: classes)
    let graph = tiny.model.graph
    #expect(Set(network.table.features.keys) == Set(graph.temporalFeatures.map { graph.nodes[$0].path }))
    let temporal = Set(graph.nodes.filter { graph.isTemporal[$0.index] }.map(\.path))
    #expect(network.table.weights.keys.allSatisfy { !temporal.contains($0) })
    #expect(network.table.activations.keys.allSatisfy { !temporal.contains($0.node) })
    // The features alone: float weights and activations give the float network's output but for the grid.
    var table = QuantizationTable()
    table.features = network.table.features
    for step in set.provenance.steps {
      for label in 0..<(classes ?? 1) {
        let x = set.samples(step: step.index, 0..<1).x
        let input = NetworkInput(
          x: x, timesteps: [step.timestep], conditioning: classes == nil ? [] : [Conditioning(label: label)],
          stepIndex: step.index)
        let found = try FloatExecutor(tiny.model, simulating: table).run(input)
        let expected = try FloatExecutor(tiny.model).run(input)
        // 8 bits: half a step of a range of a few units, through a network of gain about one.
        #expect(relativeError(found, expected) < (bits == 32 ? 1e-5 : 0.05))
        #expect((found == expected) == false || bits == 32)
      }
    }
  }

  @Test("a row's grid goes from its least to its largest value") func grids() throws {
    let (_, _, coarse) = try Self.run(try Self.recipe(Self.kept(8)), classes: nil)
    let (_, _, exact) = try Self.run(try Self.recipe(Self.kept(32)), classes: nil)
    for (path, feature) in coarse.table.features {
      let float = try #require(exact.table.features[path])
      guard case .codes(_, let quantizers) = feature.rows else { throw TestProblem() }
      for step in 0..<3 {
        let (a, b) = (feature.values(stepIndex: step, label: nil), float.values(stepIndex: step, label: nil))
        let width = max(b.max()!, 0) - min(b.min()!, 0)
        #expect(abs(quantizers[step].scales[0] - width / 255) < 1e-6 * width)
        // Half a step, and half more where the zero point is rounded.
        for (a, b) in zip(a, b) { #expect(abs(a - b) <= 1.01 * quantizers[step].scales[0]) }
      }
    }
  }

  @Test("selection takes what is nearer to the float network's", arguments: ["relative_error", "cosine"])
  func selection(measure: String) throws {
    // Two bits of weight against eight bits of a feature, and the other way round.
    let (tiny, _, coarse) = try Self.run(try Self.recipe(Self.selected(8, measure), weightBits: 2), classes: 3)
    #expect(coarse.table.features.count == tiny.model.graph.temporalFeatures.count)
    let (_, _, fine) = try Self.run(try Self.recipe(Self.selected(2, measure), weightBits: 8), classes: 3)
    #expect(fine.table.features.isEmpty)
    let (_, _, computed) = try Self.run(try Self.recipe("computed", weightBits: 8), classes: 3)
    #expect(fine.table == computed.table)
  }

  @Test("an artefact holds its features and nothing that they replace", arguments: [4, 8, 32], [nil, 3])
  func artefact(bits: Int, classes: Int?) throws {
    let recipe = try Self.recipe(Self.kept(bits))
    let (tiny, set, network) = try Self.run(recipe, classes: classes)
    let artefact = try tiny.artefact(recipe, set, network)
    let (tensors, header) = artefact.encode()
    #expect(try QuantizedModel(tensors: tensors, header: header, file: "m") == artefact)
    let idle = tiny.model.graph.idleParameters(keeping: network.table.features.keys)
    #expect(!idle.isEmpty && idle.allSatisfy { tensors[$0] == nil && artefact.parameters[$0] == nil })
    let rebuilt = try artefact.model(graph: tiny.model.graph, file: "m")
    let test = try #require(artefact.selfTest)
    let input = NetworkInput(
      x: test.x, timesteps: [artefact.steps[test.stepIndex].timestep], conditioning: test.conditioning,
      stepIndex: test.stepIndex)
    let result = try ReferenceExecutor(rebuilt, simulating: artefact.table).run(input)
    #expect(result == test.expected)
    // Without the features, what they replace is missing.
    var bare = artefact
    bare.table.features = [:]
    let error = thrownError { _ = try bare.model(graph: tiny.model.graph, file: "m") } as? QuantizationError
    #expect(error?.message.contains("time_embedding.linear_1.bias: missing") == true)
  }

  @Test("damaged features are refused by name") func damage() throws {
    let recipe = try Self.recipe(Self.kept(8))
    let (tiny, set, network) = try Self.run(recipe, classes: nil)
    let (tensors, header) = try tiny.artefact(recipe, set, network).encode()
    let path = try #require(network.table.features.keys.min())
    func refusal(_ header: ConfigurationValue, _ tensors: [String: StoredTensor]) -> String? {
      thrownError { _ = try QuantizedModel(tensors: tensors, header: header, file: "m") }.map { "\($0)" }
    }
    var lacking = tensors
    lacking["\(path).feature.codes"] = nil
    #expect(refusal(header, lacking)?.contains("missing: \(path).feature.codes") == true)
    guard case .list(var entries)? = header["components"]?["denoiser"]?["features"] else { throw TestProblem() }
    entries[0] = entries[0].setting("bits", 12).setting("table", "shared")
    let said = refusal(header.setting("components.denoiser.features", .list(entries)), tensors)
    #expect(said?.contains("features[0].bits: expected 2 to 8, or 32 for float, found 12") == true)
    #expect(
      said?.contains("features[0].table: features are kept for every step; expected step or step_label") == true)
    #expect(
      refusal(header.setting("components.denoiser.features", nil), tensors)?
        .contains("features: missing; expected a list of maps") == true)
  }
}

private struct TestProblem: Error {}
