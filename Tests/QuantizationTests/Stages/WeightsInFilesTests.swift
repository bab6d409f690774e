import Execution
import Graphs
import Quantization
import Tensors
import Testing

/// Models whose weights stay in their file until a stage works on them.
@Suite struct WeightsInFilesTests {
  static let recipes = [
    "rtn-w4a8.yaml", "gptq-w4a8.yaml", "halftone-w4a8.yaml", "halftone-w8a8.yaml", "qdrop-w4a8.yaml", "tfmq-w4a8.yaml",
    "mixed-w4a8.yaml",
  ]

  struct Unreadable: Error {}

  /// `model` without its layers' weights, which `read` gives.
  static func left(_ model: Model, _ read: @escaping @Sendable (String) throws -> Tensor) -> Model {
    let layers = Set(model.graph.layerWeights.map(\.parameter))
    return Model(
      graph: model.graph, parameters: model.parameters.filter { !layers.contains($0.key) },
      deferred: DeferredWeights(names: layers, reading: read))
  }

  static func quantised(_ model: Model, _ recipe: Recipe, _ set: CalibrationSet) throws -> QuantizedNetwork {
    try QuantizationTask(
      model: model, recipe: recipe, set: set,
      makeExecutor: { try ReferenceExecutor($0.loaded(), simulating: $1, observer: $2) },
      pool: WorkerPool(threads: 2), progress: { _ in }
    ).run()
  }

  @Test("they quantise to the same bits, and nothing keeps what it has read", arguments: recipes)
  func sameBits(file: String) throws {
    let recipe = try ShippedRecipeTests.reduced(file)
    let tiny = try TinyModel()
    let set = try tiny.calibrationSet(recipe.calibration, steps: 3)
    let whole = tiny.model
    let held = try Self.quantised(whole, recipe, set)
    let left = try Self.quantised(
      Self.left(whole) { name in
        guard let weight = whole.parameters[name] else { throw Unreadable() }
        return weight
      }, recipe, set)
    #expect(left.table == held.table)
    #expect(try QuantizedModel.floatParameters(of: left) == QuantizedModel.floatParameters(of: held))
    #expect(
      left.model.parameters.keys.allSatisfy { name in !whole.graph.layerWeights.contains { $0.parameter == name } })
  }

  @Test("one that can no longer be read stops the work with what keeps it from being read", arguments: recipes)
  func unreadable(file: String) throws {
    let recipe = try ShippedRecipeTests.reduced(file)
    let tiny = try TinyModel()
    let set = try tiny.calibrationSet(recipe.calibration, steps: 3)
    #expect(throws: Unreadable.self) {
      try Self.quantised(Self.left(tiny.model) { _ in throw Unreadable() }, recipe, set)
    }
  }
}
