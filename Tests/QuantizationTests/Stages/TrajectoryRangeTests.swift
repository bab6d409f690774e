import Execution
import Graphs
import Quantization
import Tensors
import TestSupport
import Testing

/// Ranges that are gathered while a set is drawn, against a pass over the finished set.
@Suite struct TrajectoryRangeTests {
  /// The tables of a recipe, made both ways from one set.
  private func tables(
    _ value: ConfigurationValue, classes: Int? = nil, steps: Int = 5, batch: Int
  ) throws -> (gathered: QuantizationTable, passed: QuantizationTable) {
    let recipe = try Recipe(value, file: "gathered.yaml")
    let tiny = try TinyModel(classes: classes)
    let gatherer = try #require(try TrajectoryRanges(recipe, graph: tiny.model.graph, stepCount: steps))
    func fast(_ observer: SiteObserver?) throws -> FloatExecutor {
      try FloatExecutor(tiny.model, winograd: true, pool: WorkerPool(threads: 2), observer: observer)
    }
    let sampling = CalibrationSampling(
      denoiser: try NetworkDenoiser(
        graph: tiny.model.graph, executor: fast(gatherer.observer), predictionType: .epsilon),
      schedule: TinyModel.process.schedule, sampler: TinyModel.sampler(steps: steps), modelDigest: TinyModel.digest,
      batch: batch)
    let builder = CalibrationSetBuilder()
    try sampling.run(recipe.calibration, into: builder, gathering: gatherer) { _ in }
    let set = try #require(builder.set(digest: "sha256:set"))
    func table(_ gathered: TrajectoryRanges?) throws -> QuantizationTable {
      try QuantizationTask(
        model: tiny.model, recipe: recipe, set: set,
        makeExecutor: { model, table, observer in
          // A pass would go on over the network: with ranges at hand, only the look at the first and last step is left.
          try FloatExecutor(model, simulating: table, winograd: true, pool: WorkerPool(threads: 1), observer: observer)
        }, pool: WorkerPool(threads: 1), progress: { if gathered != nil { #expect(!$0.stage.contains("ranges")) } },
        gathered: gathered
      ).run().table
    }
    return (try table(gatherer), try table(nil))
  }

  @Test(
    "the same bits as a pass over the set finds, for any batch",
    arguments: [
      Recipe.plainValue as ConfigurationValue,
      Recipe.plainValue.setting("activations.attention_products", "quantized"),
      Recipe.plainValue.setting("split_inputs", "all").setting("calibration.every", 2),
      Recipe.plainValue.setting("method", "tfmq").setting("activation_tables", "all"),
      Recipe.plainValue.setting("method", "tfmq").setting("activation_tables", ["scope": "all", "interval": 2]),
      Recipe.plainValue.setting("method", "tfmq").setting("activation_tables", "temporal_block"),
    ], [Int?.none, 3]) func equalBits(value: ConfigurationValue, classes: Int?) throws
  {
    for batch in [1, 3] {
      let (gathered, passed) = try tables(value, classes: classes, batch: batch)
      #expect(!gathered.activations.isEmpty)
      #expect(gathered == passed)
    }
  }

  @Test(
    "nothing is gathered where a pass would see another network or other samples",
    arguments: [
      ("activations.upstream", "quantized_weights"), ("activations.range", "l24_80"),
      ("activations.ema", ["decay": 0.9, "batch": 2]), ("smoothing", ["samples_per_step": 2]),
      ("calibration.distribution", "fresh"), ("activations", "float"),
    ] as [(String, ConfigurationValue)]) func refused(key: String, value: ConfigurationValue) throws
  {
    var changed = Recipe.plainValue.setting(key, value)
    if key == "activations.range" { changed = changed.setting("activations.ema", ["decay": 0.9, "batch": 2]) }
    let recipe = try Recipe(changed, file: "a.yaml")
    #expect(try TrajectoryRanges(recipe, graph: TinyModel().model.graph, stepCount: 5) == nil)
  }
}
