import Execution
import Graphs
import Quantization
import Synchronization
import Tensors
import TestSupport
import Testing

@Suite struct CompensatedRoundingTests {
  private func recipe(
    upstream: Recipe.RoundingUpstream = .float, biasCorrection: Bool = true, bits: Int = 3
  ) throws -> Recipe {
    var recipe = try Recipe.plain()
    recipe.weights = .init(
      bits: bits, symmetric: true, range: .minMax,
      rounding: .gptq(.init(samplesPerStep: 3, damping: 0.01, order: .activity, upstream: upstream)),
      biasCorrection: biasCorrection)
    return recipe
  }

  /// Every value that reaches each layer, call by call.
  private func inputs(
    _ network: QuantizedNetwork, _ set: CalibrationSet, samplesPerStep: Int
  ) throws -> [String: [Tensor]] {
    let seen = Mutex<[String: [Tensor]]>([:])
    let observer = SiteObserver {
      $0.role == .input
    } receive: { site, value in
      seen.withLock { $0[site.node, default: []].append(value) }
    }
    let executor = try ReferenceExecutor(network.model, simulating: network.table, observer: observer)
    for step in set.counts.indices {
      let samples = set.samples(step: step, 0..<min(samplesPerStep, set.counts[step]))
      _ = try executor.run(
        NetworkInput(
          x: samples.x, timesteps: .init(repeating: set.provenance.steps[step].timestep, count: samples.count),
          conditioning: samples.conditioning, stepIndex: step))
    }
    return seen.withLock { $0 }
  }

  private func same(_ a: QuantizedNetwork, _ b: QuantizedNetwork) -> Bool {
    a.table == b.table && a.model.parameters == b.model.parameters
  }

  @Test("neither threads nor memory change a bit", arguments: Recipe.RoundingUpstream.allCases)
  func determinism(upstream: Recipe.RoundingUpstream) throws {
    let tiny = try TinyModel(classes: 3)
    let recipe = try recipe(upstream: upstream)
    let set = try tiny.calibrationSet(recipe.calibration, steps: 3)
    let expected = try tiny.task(recipe, set).roundedWeights()
    for threads in [2, 3] {
      #expect(same(try tiny.task(recipe, set, threads: threads).roundedWeights(), expected))
    }
    for memory in [1, 200_000] {
      #expect(same(try tiny.task(recipe, set, threads: 2).roundedWeights(memory: memory), expected))
    }
  }

  @Test("less memory means more passes, never more than one per layer") func passes() throws {
    let tiny = try TinyModel()
    let recipe = try recipe()
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    func passes(memory: Int?) throws -> Int {
      let starts = Mutex(0)
      let task = try QuantizationTask(
        model: tiny.model, recipe: recipe, set: set,
        makeExecutor: { model, table, observer in
          starts.withLock { $0 += 1 }
          return try ReferenceExecutor(model, simulating: table, observer: observer)
        }, pool: WorkerPool(threads: 1), progress: { _ in })
      _ = try task.roundedWeights(memory: memory)
      return starts.withLock { $0 }
    }
    let layers = tiny.model.graph.sites.filter { $0.role == .weight }.count
    #expect(try passes(memory: nil) == 1)
    let few = try passes(memory: 200_000)
    let many = try passes(memory: 1)
    #expect(1 < few && few < many && many <= layers)
  }

  @Test("a layer's codes follow from the inputs that its recipe names", arguments: Recipe.RoundingUpstream.allCases)
  func upstream(upstream: Recipe.RoundingUpstream) throws {
    let tiny = try TinyModel()
    let recipe = try recipe(upstream: upstream)
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    let network = try tiny.task(recipe, set).roundedWeights()
    // The last layer: everything before it is rounded by then.
    var before = network
    before.table.weights["conv_out"] = nil
    let seen = try inputs(
      upstream == .float ? QuantizedNetwork(model: tiny.model) : before, set, samplesPerStep: 3)
    let graph = tiny.model.graph
    let node = try #require(graph.node(at: "conv_out"))
    let vectors = try #require(LayerVectors(of: node, in: graph))
    var sums = vectors.sums(products: true)
    for value in seen["conv_out"] ?? [] { vectors.add(value, to: &sums) }
    sums.finish()
    let found = try #require(network.table.weights["conv_out"])
    let weight = try #require(tiny.model.parameters["conv_out.weight"])
    let expected = try ErrorFeedback(moments: sums.meanProducts, damping: 0.01, order: .activity)
      .codes(of: weight, on: found.quantizer)
    #expect(found.codes == expected)
    #expect(found.quantizer == recipe.weights?.quantizer(for: weight))
    #expect(expected != recipe.weights?.roundToNearest(weight).codes)
  }

  @Test("with corrected biases the mean output of a layer is that of the float layer", arguments: [true, false])
  func biases(nearest: Bool) throws {
    let tiny = try TinyModel()
    var recipe = try recipe()
    if nearest { recipe.weights?.rounding = .nearest }
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    let network = try tiny.task(recipe, set).roundedWeights()
    let seen = try inputs(QuantizedNetwork(model: tiny.model), set, samplesPerStep: nearest ? 4 : 3)
    var layers = 0
    for node in tiny.model.graph.nodes {
      guard case .linear(let name, let bias?) = node.op else { continue }
      layers += 1
      let values = (seen[node.path] ?? []).flatMap(\.values)
      let weight = try #require(tiny.model.parameters[name])
      let columns = weight.dims[1]
      let count = values.count / columns
      let mean = (0..<columns).map { column in
        (0..<count).reduce(0.0) { $0 + Double(values[$1 * columns + column]) } / Double(count)
      }
      let rounded = try #require(network.table.weights[node.path]).dequantized
      let (old, new) = (tiny.model.parameters[bias]!.values, network.model.parameters[bias]!.values)
      for row in old.indices {
        func output(_ weight: Tensor, _ bias: Float) -> Double {
          mean.indices.reduce(Double(bias)) { $0 + Double(weight.values[row * columns + $1]) * mean[$1] }
        }
        // Float sums of at most 512 values of order one, and the bias rounded to Float.
        #expect(abs(output(weight, old[row]) - output(rounded, new[row])) < 1e-4)
      }
      #expect(old != new)
    }
    #expect(layers >= 8)
  }

  @Test("biases stay as they are unless the recipe corrects them") func uncorrected() throws {
    let tiny = try TinyModel()
    let recipe = try recipe(biasCorrection: false)
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    #expect(try tiny.task(recipe, set).roundedWeights().model.parameters == tiny.model.parameters)
  }

  @Test("the artefact stores corrected biases, and runs as the network it was made from") func artefact() throws {
    let tiny = try TinyModel()
    let recipe = try recipe(bits: 4)
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    let network = try tiny.task(recipe, set).run()
    let artefact = try tiny.artefact(recipe, set, network)
    let (tensors, header) = artefact.encode()
    let read = try QuantizedModel(tensors: tensors, header: header, file: "m")
    #expect(read == artefact)
    #expect(read.parameters["conv_out.bias"] == network.model.parameters["conv_out.bias"])
    #expect(read.parameters["conv_out.bias"] != tiny.model.parameters["conv_out.bias"])
    let model = try read.model(graph: tiny.model.graph, file: "m")
    let input = set.input(step: 1, 0..<2)
    #expect(
      try ReferenceExecutor(model, simulating: read.table).run(input)
        == ReferenceExecutor(network.model, simulating: network.table).run(input))
  }

  @Test("inputs that are not finite are named with their step") func notFinite() throws {
    let tiny = try TinyModel()
    let recipe = try recipe()
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    var parameters = tiny.model.parameters
    parameters["conv_in.bias"]!.values[0] = .infinity
    let task = try QuantizationTask(
      model: Model(graph: tiny.model.graph, parameters: parameters), recipe: recipe, set: set,
      makeExecutor: { try ReferenceExecutor($0, simulating: $1, observer: $2) }, pool: WorkerPool(threads: 1),
      progress: { _ in })
    let error = thrownError { _ = try task.roundedWeights() } as? QuantizationError
    #expect(error?.id == "E-QUANT-ACTIVATION")
    #expect(
      error?.message.hasPrefix(
        "NaN or infinite activations at sampling step 0 while layer inputs were watched:\n  conv_out:input") == true)
  }
}
