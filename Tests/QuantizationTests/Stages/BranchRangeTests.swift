import Diffusion
import Execution
import Graphs
import Quantization
import Tensors
import TestSupport
import Testing

/// Tables with rows for each branch of guidance, from the set to the file.
@Suite struct BranchRangeTests {
  private let tiny: TinyModel
  private static let unconditional = 3

  init() throws { tiny = try TinyModel(classes: 4) }

  private func recipe(_ scope: String, _ branches: String) throws -> Recipe {
    try Recipe(
      Recipe.plainValue.setting(
        "activation_tables", ["scope": .string(scope), "interval": 1, "branches": .string(branches)]
      )
      .setting("method", "halftone"), file: "b.yaml")
  }

  /// A set that says it was guided.
  private func guided(_ recipe: Recipe, steps: Int) throws -> CalibrationSet {
    let set = try tiny.calibrationSet(recipe.calibration, steps: steps)
    var provenance = set.provenance
    provenance.guidance = GuidanceSetting(scale: 2, rescale: 0)
    provenance.conditioning.unconditionalLabel = Self.unconditional
    return CalibrationSet(
      provenance: provenance, digest: set.digest,
      groups: (0..<steps).map { set.samples(step: $0, 0..<set.counts[$0]) })
  }

  private func network(_ recipe: Recipe, _ set: any CalibrationSource) throws -> QuantizedNetwork {
    try QuantizationTask(
      model: tiny.model, recipe: recipe, set: set,
      makeExecutor: { try ReferenceExecutor($0, simulating: $1, observer: $2) }, pool: WorkerPool(threads: 1),
      progress: { _ in }
    ).run()
  }

  @Test("rows of a branch are what a set of that branch alone gives", arguments: ["shared", "all"]) func rows(
    scope: String
  ) throws {
    let steps = 3
    let separate = try recipe(scope, "separate")
    let base = try guided(separate, steps: steps)
    let found = try network(
      separate, GuidedSet(base, unconditional: Conditioning(label: Self.unconditional))
    ).table.activations
    let shared = try recipe(scope, "shared")
    let conditional = try network(shared, base).table.activations
    let none = CalibrationSet(
      provenance: base.provenance, digest: base.digest,
      groups: (0..<steps).map { step in
        let samples = base.samples(step: step, 0..<base.counts[step])
        return CalibrationSamples(
          step: step, trajectories: samples.trajectories, x: samples.x,
          conditioning: samples.conditioning.map { _ in Conditioning(label: Self.unconditional) })
      })
    let unconditional = try network(shared, none).table.activations
    let expected: ActivationQuantizers.Key = scope == "all" ? .stepAndBranch : .branch
    let sites = found.filter { $0.value.key == expected }
    #expect(sites.count > 10)
    for (site, quantizers) in sites {
      let rows = try zip(#require(conditional[site]).rows, #require(unconditional[site]).rows).flatMap { [$0, $1] }
      #expect(quantizers.rows == rows, "\(site)")
    }
    // The temporal block knows no branch.
    if scope == "all" {
      let temporal = Set(try #require(tiny.model.graph.temporalBlock()).nodes.map(\.path))
      #expect(found.filter { temporal.contains($0.key.node) }.allSatisfy { $0.value.key != .stepAndBranch })
    }
  }

  @Test func tablesSurviveTheirFile() throws {
    for scope in ["shared", "all"] {
      let recipe = try recipe(scope, "separate")
      let set = try guided(recipe, steps: 3)
      let made = try network(recipe, GuidedSet(set, unconditional: Conditioning(label: Self.unconditional)))
      let artefact = try tiny.artefact(recipe, set, made)
      let (tensors, header) = artefact.encode()
      let name = scope == "all" ? "activations.step_branch.scales" : "activations.branch.scales"
      #expect(tensors[name]?.dims.first == (scope == "all" ? 6 : 2))
      #expect(try QuantizedModel(tensors: tensors, header: header, file: "m") == artefact)
      #expect(artefact.dependsOnStep == (scope == "all"))
    }
  }

  @Test func withoutGuidanceThereIsOneBranch() throws {
    let recipe = try recipe("shared", "separate")
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    let plain = try self.recipe("shared", "shared")
    #expect(try network(recipe, set).table == network(plain, set).table)
  }

  @Test func whatContradictsIsRefused() {
    let value = Recipe.plainValue.setting("method", "halftone")
    let interval = thrownError {
      _ = try Recipe(
        value.setting("activation_tables", ["scope": "all", "interval": 2, "branches": "separate"]), file: "r")
    }
    #expect(
      "\(interval as Any)".contains(
        "r: activation_tables.interval: rows of separate branches are not shared between steps; set interval to 1"))
    let learned = thrownError {
      _ = try Recipe(
        value.setting("activation_tables", ["scope": "shared", "interval": 1, "branches": "separate"])
          .setting(
            "reconstruction", Recipe.reconstructionValue.setting("activation_steps", Recipe.stepsValue)), file: "r")
    }
    #expect(
      "\(learned as Any)".contains(
        "what is learned of activations is learned for both branches of guidance together; set branches to shared"))
    let products = thrownError {
      _ = try Recipe(Recipe.plainValue.setting("activations.probabilities", "numerators"), file: "r")
    }
    #expect(
      "\(products as Any)".contains(
        "r: activations.probabilities: attention_products are float; leave this key out, or quantise them"))
  }

  @Test func numeratorsAreChosenByTheNumberOfKeys() throws {
    for (form, expected) in [("normalized", false), ("numerators", true), ("auto", false)] {
      let value = Recipe.plainValue.setting("activations.attention_products", "quantized")
        .setting("activations.probabilities", .string(form))
      let recipe = try Recipe(value, file: "r")
      #expect(try Recipe(recipe.encode(), file: "r") == recipe)
      let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
      let table = try network(recipe, set).table
      let attentions = tiny.model.graph.nodes.compactMap { $0.op.facts.attention }
      #expect(!attentions.isEmpty)
      for attention in attentions {
        #expect(table.activations[attention.probabilities]?.areNumerators == expected)
      }
      let artefact = try tiny.artefact(recipe, set, QuantizedNetwork(model: tiny.model, table: table))
      let (tensors, header) = artefact.encode()
      #expect(try QuantizedModel(tensors: tensors, header: header, file: "m") == artefact)
    }
  }
}
