import Execution
import Foundation
import Graphs
import Quantization
import Synchronization
import Tensors
import TestSupport
import Testing

@Suite struct ReconstructionTests {
  /// W3, float activations, one of the two kinds of learning.
  static func recipe(
    _ part: String, _ change: (ConfigurationValue) -> ConfigurationValue = { $0 }
  ) throws -> Recipe {
    let learning = change(Recipe.learningValue)
    let value = Recipe.plainValue.setting("weights.bits", 3).setting("weights.symmetric", false)
      .setting("weights.rounding", part == "network" ? Recipe.gptqValue : "nearest").setting("activations", "float")
      .setting("reconstruction", Recipe.reconstructionValue.setting("blocks", "none").setting(part, learning))
    return try Recipe(value, file: "a.yaml")
  }

  /// W4A4 with activations learned.
  static func quantisedRecipe(
    _ part: String, _ change: (ConfigurationValue) -> ConfigurationValue = { $0 }
  ) throws -> Recipe {
    let learning = change(part == "activation_steps" ? Recipe.stepsValue : Recipe.learningValue)
    let value = Recipe.plainValue.setting("weights.bits", 4).setting("weights.symmetric", false)
      .setting("activations.bits", 4)
      .setting("reconstruction", Recipe.reconstructionValue.setting("blocks", "none").setting(part, learning))
    return try Recipe(value, file: "a.yaml")
  }

  static func straight(_ value: ConfigurationValue) -> ConfigurationValue {
    value.setting("relaxation", "straight_through").setting("learning_rate", 0.01).setting("loss", "relative")
  }

  /// Mean squared error of the output over the calibration samples.
  static func error(_ network: QuantizedNetwork, _ tiny: TinyModel, _ set: CalibrationSet) throws -> Double {
    var total = 0.0
    let (float, quantized) = (
      try FloatExecutor(tiny.model), try FloatExecutor(network.model, simulating: network.table)
    )
    for step in set.counts.indices {
      let samples = set.samples(step: step, 0..<set.counts[step])
      let input = NetworkInput(
        x: samples.x, timesteps: .init(repeating: set.provenance.steps[step].timestep, count: samples.count),
        conditioning: samples.conditioning, stepIndex: step)
      total += try zip(float.run(input).values, quantized.run(input).values)
        .reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
    }
    return total
  }

  @Test(
    "learning brings the network nearer to the float one",
    arguments: [
      ("blocks", nil), ("blocks", "mixed"), ("blocks", "float"), ("network", nil),
    ] as [(String, String?)], [nil, 3])
  func improvement(example: (part: String, upstream: String?), classes: Int?) throws {
    let tiny = try TinyModel(classes: classes)
    let recipe = try Self.recipe(example.part) { value in
      let value = value.setting("iterations", 150).setting("bias_learning_rate", 0.001)
      let learning = example.part == "network" ? Self.straight(value) : value
      return example.upstream.map { learning.setting("upstream", .string($0)) } ?? learning
    }
    let set = try tiny.calibrationSet(recipe.calibration, steps: 3)
    let task = try tiny.task(recipe, set)
    let first = try task.roundedWeights()
    let learned = try task.reconstructed(first)
    #expect(Set(learned.table.weights.keys) == Set(first.table.weights.keys))
    let (before, after) = (try Self.error(first, tiny, set), try Self.error(learned, tiny, set))
    #expect(after < 0.8 * before, "\(before) to \(after)")
  }

  @Test(
    "learning the steps of activations brings the network nearer to the float one",
    arguments: ["blocks", "network", "activation_steps"], [Recipe.ActivationTables.shared, .all])
  func learnedSteps(part: String, tables: Recipe.ActivationTables) throws {
    let tiny = try TinyModel()
    var recipe = try Self.quantisedRecipe(part) { value in
      if part == "activation_steps" { return value.setting("iterations", 200) }
      let learning = part == "network" ? Self.straight(value) : value
      return learning.setting("iterations", 200).setting("activations", ["learning_rate": 0.01, "drop": 0.5])
        .setting("upstream", "mixed")
    }
    recipe.activationTables = tables
    let set = try tiny.calibrationSet(recipe.calibration, steps: 3)
    let task = try tiny.task(recipe, set)
    let first = try task.withActivations(task.roundedWeights())
    let learned = try task.reconstructed(task.roundedWeights())
    #expect(learned.table.activations != first.table.activations)
    #expect(Set(learned.table.activations.keys) == Set(first.table.activations.keys))
    if part == "activation_steps" { #expect(learned.table.weights == first.table.weights) }
    for (site, quantizers) in learned.table.activations {
      let before = try #require(first.table.activations[site])
      #expect(quantizers.key == before.key && quantizers.rows.map(\.zeroPoints) == before.rows.map(\.zeroPoints))
      // The temporal block's ranges are exact; images' rows are learned each for itself.
      let isTemporal = tiny.model.graph.isTemporal[tiny.model.graph.node(at: site.node)!.index]
      #expect((quantizers == before) == isTemporal, "\(site)")
      if tables == .all, !isTemporal {
        #expect(Set(zip(quantizers.rows, before.rows).map { $0.scales[0] / $1.scales[0] }).count == 3)
      }
    }
    let (before, after) = (try Self.error(first, tiny, set), try Self.error(learned, tiny, set))
    #expect(after < 0.85 * before, "\(before) to \(after)")
  }

  @Test("dropping gives the same steps for any number of threads, others for another seed") func dropping() throws {
    let tiny = try TinyModel()
    var recipe = try Self.quantisedRecipe("blocks") {
      $0.setting("activations", ["learning_rate": 0.01, "drop": 0.5]).setting("upstream", "mixed")
    }
    recipe.reconstruction?.activationSteps = try Self.quantisedRecipe("activation_steps") {
      $0.setting("scope", "network").setting("drop", 0.25).setting("loss", "relative")
    }.reconstruction?.activationSteps
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    func table(_ recipe: Recipe, threads: Int) throws -> QuantizationTable {
      let task = try tiny.task(recipe, set, threads: threads)
      return try task.reconstructed(task.roundedWeights()).table
    }
    let tables = try [1, 2, 3].map { try table(recipe, threads: $0) }
    #expect(tables[1] == tables[0] && tables[2] == tables[0])
    let seed = recipe.calibration.seed
    recipe.calibration.seed = seed + 1
    #expect(try table(recipe, threads: 1) != tables[0])
    recipe.calibration.seed = seed
    recipe.reconstruction?.blocks?.activations?.drop = 0
    #expect(try table(recipe, threads: 1) != tables[0])
  }

  @Test("neighbouring steps of an interval keep one row") func interval() throws {
    let tiny = try TinyModel()
    var recipe = try Self.quantisedRecipe("activation_steps")
    recipe.activationTables = .all
    recipe.tableInterval = 2
    let set = try tiny.calibrationSet(recipe.calibration, steps: 3)
    let task = try tiny.task(recipe, set)
    let table = try task.reconstructed(task.roundedWeights()).table
    for (site, quantizers) in table.activations
    where !tiny.model.graph.isTemporal[tiny.model.graph.node(at: site.node)!.index] {
      #expect(quantizers.rows[0] == quantizers.rows[1] && quantizers.rows[1] != quantizers.rows[2], "\(site)")
    }
  }

  @Test("the same codes for any number of threads, others for another seed", arguments: ["blocks", "network"])
  func determinism(part: String) throws {
    let tiny = try TinyModel()
    var recipe = try Self.recipe(part) { Self.straight($0).setting("upstream", "mixed") }
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    let tables = try [1, 2, 3].map { threads in
      let task = try tiny.task(recipe, set, threads: threads)
      return try task.reconstructed(task.roundedWeights())
    }
    for other in tables.dropFirst() {
      #expect(other.table == tables[0].table && other.model.parameters == tables[0].model.parameters)
    }
    recipe.calibration.seed = 4
    let task = try tiny.task(recipe, set)
    #expect(try task.reconstructed(task.roundedWeights()).table != tables[0].table)
  }

  @Test("values that exceed the bound are refused before any work") func memory() throws {
    let tiny = try TinyModel()
    var recipe = try Self.recipe("blocks")
    recipe.reconstruction?.memory = 1
    recipe.reconstruction?.samplesPerStep = 64
    recipe.calibration.trajectories = 64
    let set = try tiny.calibrationSet(recipe.calibration, steps: 4)
    let task = try QuantizationTask(
      model: tiny.model, recipe: recipe, set: set,
      makeExecutor: { try ReferenceExecutor($0, simulating: $1, observer: $2) },
      pool: WorkerPool(threads: 1), progress: { progress in Issue.record("worked on \(progress.stage)") })
    let error = thrownError { _ = try task.reconstructed(Self.nearest(tiny)) } as? QuantizationError
    guard case .reconstructionMemory(let needed, let bound, 64, let fitting) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(bound == 1 << 20 && needed > bound && fitting == 64 * bound / needed && fitting > 0)
    #expect(
      error?.message
        == "reconstruction keeps \((needed + (1 << 20) - 1) >> 20) MiB of values for 64 samples per step, more than the 1 MiB of reconstruction.memory_mib"
    )
    #expect(error?.hint == "set reconstruction.samples_per_step to \(fitting) or less, or raise the bound")
  }

  @Test("values that exceed the bound lie on the disk where there is a folder, to the same codes") func spilling()
    throws
  {
    let tiny = try TinyModel()
    var recipe = try Self.recipe("blocks") { $0.setting("iterations", 16).setting("upstream", "mixed") }
    recipe.reconstruction?.samplesPerStep = 64
    recipe.calibration.trajectories = 64
    let set = try tiny.calibrationSet(recipe.calibration, steps: 4)
    try withTemporaryFolder { (folder: String) throws -> Void in
      func run(memory: Int, folder: String?) throws -> QuantizationTable {
        recipe.reconstruction?.memory = memory
        let task = try QuantizationTask(
          model: tiny.model, recipe: recipe, set: set,
          makeExecutor: { try ReferenceExecutor($0, simulating: $1, observer: $2) }, pool: WorkerPool(threads: 2),
          progress: { _ in }, folder: folder)
        return try task.reconstructed(Self.nearest(tiny)).table
      }
      #expect(try run(memory: 1, folder: folder) == run(memory: 64, folder: nil))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
      let missing = folder + "/missing"
      let error = thrownError { _ = try run(memory: 1, folder: missing) } as? KernelError
      guard case .outOfDisk(missing, _, let reason) = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(error?.id == "E-DISK" && error?.message.hasSuffix(" bytes of values: \(reason)") == true)
      // A batch alone that exceeds the bound is refused all the same.
      recipe.reconstruction?.blocks?.batch = 4096
      recipe.reconstruction?.samplesPerStep = 4
      let refusal = thrownError { _ = try run(memory: 1, folder: folder) } as? QuantizationError
      #expect(refusal?.hint == "raise reconstruction.memory_mib, or lower reconstruction.batch")
    }
  }

  /// Every weight at its nearest code of a coarse grid.
  private static func nearest(_ tiny: TinyModel) -> QuantizedNetwork {
    var network = QuantizedNetwork(model: tiny.model)
    for (path, parameter) in tiny.model.graph.layerWeights {
      let weight = tiny.model.parameters[parameter]!
      let rows = weight.dims[0]
      let quantizer = AffineQuantizer(
        bits: 4, granularity: .perChannel, scales: .init(repeating: 0.2, count: rows),
        zeroPoints: .init(repeating: 8, count: rows))
      network.table.weights[path] = QuantizedWeight(
        dims: weight.dims, quantizer: quantizer,
        codes: quantizer.codes(weight.values, channelStride: weight.count / rows, channelCount: rows))
    }
    return network
  }

  @Test("blocks in the order of their definition see first roundings of those not yet learned") func definitionOrder()
    throws
  {
    let tiny = try TinyModel()
    func run(_ order: ConfigurationValue) throws -> (stages: [String], network: QuantizedNetwork) {
      var recipe = try Self.recipe("blocks") { $0.setting("iterations", 16) }
      recipe.reconstruction?.order = order == "definition" ? .definition : .execution
      let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
      let seen = Mutex<[String]>([])
      let task = try QuantizationTask(
        model: tiny.model, recipe: recipe, set: set,
        makeExecutor: { try ReferenceExecutor($0, simulating: $1, observer: $2) },
        pool: WorkerPool(threads: 1), progress: { progress in seen.withLock { $0.append(progress.stage) } })
      let network = try task.reconstructed(Self.nearest(tiny))
      let stages = seen.withLock { $0.map { String($0.dropFirst("reconstructing ".count)) } }
      return (stages.indices.filter { $0 == 0 || stages[$0] != stages[$0 - 1] }.map { stages[$0] }, network)
    }
    let (execution, definition) = (try run("execution"), try run("definition"))
    #expect(Set(execution.stages) == Set(definition.stages))
    #expect(
      definition.stages == [
        "conv_in", "down_blocks.0.resnets.0", "down_blocks.0.downsamplers.0", "down_blocks.1.resnets.0",
        "down_blocks.1.attentions.0", "mid_block.resnets.0", "mid_block.attentions.0", "mid_block.resnets.1",
        "up_blocks.1.resnets.0", "up_blocks.1.resnets.1", "up_blocks.0.resnets.0", "up_blocks.0.resnets.1",
        "up_blocks.0.attentions.0", "up_blocks.0.attentions.1", "up_blocks.0.upsamplers.0", "conv_out",
      ])
    // The first block has the same past in both orders, the last has not.
    let table = (execution.network.table.weights, definition.network.table.weights)
    #expect(table.0["conv_in"] == table.1["conv_in"] && table.0["conv_out"] != table.1["conv_out"])
    let set = try tiny.calibrationSet(try Self.recipe("blocks").calibration, steps: 2)
    #expect(try Self.error(definition.network, tiny, set) < Self.error(Self.nearest(tiny), tiny, set))
  }

  /// What a reconstruction of weights rounded to nearest reports.
  private static func progress(of recipe: Recipe, _ tiny: TinyModel, _ set: CalibrationSet) throws -> [WorkProgress] {
    let seen = Mutex<[WorkProgress]>([])
    let task = try QuantizationTask(
      model: tiny.model, recipe: recipe, set: set,
      makeExecutor: { try ReferenceExecutor($0, simulating: $1, observer: $2) },
      pool: WorkerPool(threads: 1), progress: { progress in seen.withLock { $0.append(progress) } })
    _ = try task.reconstructed(nearest(tiny))
    return seen.withLock { $0 }
  }

  @Test("progress counts the iterations of all blocks") func progress() throws {
    let tiny = try TinyModel()
    let recipe = try Self.recipe("blocks") { $0.setting("iterations", 16) }
    let found = try Self.progress(of: recipe, tiny, tiny.calibrationSet(recipe.calibration, steps: 2))
    let blocks = tiny.model.graph.regions.count { $0.kind != .timeEmbedding }
    #expect(found.map(\.done) == Array(1...(16 * blocks)))
    #expect(found.allSatisfy { $0.unit == "iterations" && $0.total == 16 * blocks })
    #expect(found.first?.stage == "reconstructing conv_in")
  }

  @Test("the pass of all samples through the network, in front of learning, is counted") func progressOfPasses() throws
  {
    let tiny = try TinyModel()
    let recipe = try Self.recipe("network") { Self.straight($0).setting("iterations", 2).setting("batch", 3) }
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    let found = try Self.progress(of: recipe, tiny, set)
    let passes = found.filter { $0.unit == "samples" }
    let perStep = try #require(recipe.reconstruction).samplesPerStep
    let count = set.counts.reduce(0) { $0 + min($1, perStep) }
    #expect(passes.map(\.done) == Array(stride(from: 3, to: count, by: 3)) + [count])
    #expect(passes.allSatisfy { $0.stage == "passing samples through network" && $0.total == count })
    #expect(found.last?.stage == "reconstructing network")
  }

  @Test(
    "temporal reconstruction brings the temporal features nearer and leaves other layers alone", arguments: [nil, 3])
  func temporalBlock(classes: Int?) throws {
    let tiny = try TinyModel(classes: classes)
    let recipe = try Self.recipe("temporal_block") {
      $0.setting("iterations", 300).setting("learning_rate", 0.02).setting("bias_learning_rate", 0.001)
    }
    let set = try tiny.calibrationSet(recipe.calibration, steps: 5)
    let task = try tiny.task(recipe, set)
    let first = try task.roundedWeights()
    let learned = try task.reconstructed(first)
    let graph = tiny.model.graph
    let temporal = Set(graph.nodes.filter { graph.isTemporal[$0.index] }.map(\.path))
    #expect(
      first.table.weights.filter { !temporal.contains($0.key) }
        == learned.table.weights.filter { !temporal.contains($0.key) })
    let (before, after) = (try Self.featureError(first, tiny, set), try Self.featureError(learned, tiny, set))
    #expect(after < 0.7 * before, "\(before) to \(after)")
  }

  /// Squared distance of all temporal features over all steps.
  private static func featureError(_ network: QuantizedNetwork, _ tiny: TinyModel, _ set: CalibrationSet) throws
    -> Double
  {
    let graph = tiny.model.graph
    let segment = graph.temporalUnit!.segment
    func features(_ model: Model, _ table: QuantizationTable, _ input: [Int: Tensor]) throws -> [Double] {
      var parameters = model.parameters
      for (path, parameter) in graph.layerWeights {
        if let w = table.weights[path] { parameters[parameter] = w.dequantized }
      }
      let executor = try GradientExecutor(
        Model(graph: graph, parameters: parameters), segment: segment, targets: .nothing, batch: 1)
      let found = executor.run(input)
      return segment.outputs.flatMap { found[$0]!.values.map { Double($0) } }
    }
    var total = 0.0
    for step in set.provenance.steps {
      for label in 0..<(tiny.model.graph.classCount ?? 1) {
        var input: [Int: Tensor] = [:]
        for node in segment.inputs {
          let isTimestep = graph.nodes[node].op.meaning == .timestep
          input[node] = Tensor([1], [isTimestep ? Float(step.timestep.value) : Float(label)])
        }
        let (a, b) = (
          try features(tiny.model, QuantizationTable(), input), try features(network.model, network.table, input)
        )
        total += zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
      }
    }
    return total
  }
}
