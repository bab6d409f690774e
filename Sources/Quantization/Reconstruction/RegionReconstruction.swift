import Execution
import Graphs
import Platform
import Tensors

/// Learns the rounding of one unit's weights, or the steps of its activations, or both, so that its outputs come as near
/// as can be to the float network's (BRECQ: Li et al. 2021, "BRECQ: pushing the limit of post-training quantization by
/// block reconstruction", algorithm 1; QDrop: Wei et al. 2022, where activations are learned with the weights).
///
/// Weights whose rows are split or whose input channels are scaled keep their first rounding. Loss: mean over batch and
/// positions of the sum over channels of powers of differences, plus AdaRound's regulariser.
final class RegionReconstruction {
  private let executor: GradientExecutor
  /// What the graph calls the unit.
  private let name: String
  private let learning: RegionLearning
  private let pool: WorkerPool
  private let kernels: KernelTable
  private var layers: [Layer] = []
  /// By node: position in `layers`.
  private var positions: [Int: Int] = [:]
  private let inputs: [ActivationVariables]
  private let samples: ReconstructionSamples
  private let float: SampleValues
  private let quantized: SampleValues
  private var random: RecipeRandom
  private let dropping: DropSeeds
  /// By sampling step: what its samples' losses are multiplied with; empty for ones.
  private var stepWeights: [Float] = []
  /// Iterations done.
  private var iteration = 0

  private struct Layer {
    let path: String
    let gradient: GradientLayer
    let variables: RoundingVariables
    /// nil where there is no bias, or it is not learned.
    let bias: String?
    var biasMoments: AdamMoments
  }

  /// - Parameters: network: the weights and quantisers that learning begins with; interval: sampling steps that share a
  ///   row of activations' tables; float, quantized: values of the unit's inputs in both networks, and of its outputs in
  ///   the float network.
  init(
    _ unit: ReconstructionUnit, of network: QuantizedNetwork, _ learning: RegionLearning, interval: Int, seed: UInt64,
    number: Int, samples: ReconstructionSamples, float: SampleValues, quantized: SampleValues, pool: WorkerPool,
    kernels: KernelTable = .best
  ) throws {
    let graph = network.model.graph
    let coded = unit.segment.nodes.filter { network.weight(at: $0) != nil }
    let paths = learning.weights == nil ? [] : coded.filter { network.weight(at: $0)?.isLearnable ?? false }
    // Layers that are not learned compute with the codes they have.
    let model = network.dequantized(coded.filter { !paths.contains($0) })
    let weights = paths.flatMap { graph.nodes[$0].op.parameters.prefix(1) }
    let learnsBiases = (learning.weights?.biasLearningRate ?? 0) > 0
    let biases = learnsBiases ? paths.flatMap { graph.nodes[$0].op.parameters.dropFirst() } : []
    let images = min(learning.batch, float.count)
    inputs =
      try learning.activations.map {
        try network.activationVariables(
          at: unit.segment.nodes, interval: interval, dropping: $0.drop, images: images)
      } ?? []
    executor = try GradientExecutor(
      model, segment: unit.segment, targets: GradientTargets(parameters: Set(weights + biases), inputs: []),
      batch: images, quantizers: inputs.byPath, pool: pool, kernels: kernels)
    self.learning = learning
    name = unit.name
    self.pool = pool
    self.kernels = kernels
    self.float = float
    self.quantized = quantized
    self.samples = samples
    random = RecipeRandom(seed: seed, purpose: RecipePurpose.reconstruction(of: number))
    dropping = DropSeeds(seed: seed, purpose: RecipePurpose.reconstruction(of: number), sites: inputs.count)
    guard let settings = learning.weights else { return }
    executor.learned = self
    for index in paths {
      let path = graph.nodes[index].path
      guard let gradient = executor.layers[index], let start = network.table.weights[path],
        let weight = try model.parameter(gradient.weightName)?.values
      else { continue }
      positions[index] = layers.count
      layers.append(
        Layer(
          path: path, gradient: gradient,
          variables: try RoundingVariables(
            weight: gradient.order.toLayer(weight), start: gradient.order.toLayer(start.codes),
            quantizer: start.quantizer, rows: gradient.outputChannels, relaxation: settings.relaxation,
            trust: Float(settings.startTrust)),
          bias: learnsBiases ? gradient.biasName : nil,
          biasMoments: AdamMoments(count: gradient.outputChannels)))
    }
  }

  /// Iterations between two states that are kept; one more is kept when the work is stopped.
  package static let keepInterval = 64

  /// Runs the iterations that are left.
  /// - Parameters: progress: called with the iterations done; keep: takes a state to go on from.
  func run(progress: (Int) throws -> Void, keep: (RegionState) throws -> Void) throws -> ReconstructedRegion {
    if learning.loss == .relative, stepWeights.isEmpty { weighSteps() }
    while iteration < learning.iterations {
      iteration += 1
      let batch = draw(executor.capacity)
      evaluate(batch, dropping: true)
      seedCotangents(batch)
      executor.backward()
      if let settings = learning.weights { learnBiases(rate: decay(settings) * settings.biasLearningRate) }
      if let settings = learning.activations {
        let rate = RoundingSchedule.cosine(iteration, of: learning.iterations) * settings.learningRate
        for input in inputs { input.step(rate: rate, kernels: kernels, pool: pool) }
      }
      if iteration % Self.keepInterval == 0, iteration < learning.iterations {
        try checkLearned()
        try keep(state)
      }
      do {
        try progress(iteration)
      } catch {
        // Stopped, not killed: nothing that was learned need be learned again.
        let isKept = iteration % Self.keepInterval == 0 && iteration < learning.iterations
        if !isKept, (try? checkLearned()) != nil { try? keep(state) }
        throw error
      }
    }
    try checkLearned()
    return result()
  }

  /// What is learned may leave the numbers: a rate that is too high, or values whose squares overflow.
  /// - Throws: `E-RECON-DIVERGED`.
  private func checkLearned() throws(QuantizationError) {
    let learned = state.arrays.filter { !$0.key.hasSuffix("mean") && !$0.key.hasSuffix("square") }
    let scales = inputs.flatMap(\.scales)
    let isSound = learned.allSatisfy { key, values in
      values.allSatisfy { $0.isFinite && ($0 > 0 || !key.hasSuffix("scales")) }
    }
    guard isSound, scales.allSatisfy({ $0 > 0 && $0.isFinite }) else {
      throw .diverged(region: name, iteration: iteration)
    }
  }

  private func schedule(_ settings: Recipe.Learning) -> RoundingSchedule {
    RoundingSchedule(
      iterations: settings.iterations, warmUp: settings.warmUp, first: settings.firstExponent,
      last: settings.lastExponent)
  }

  private func decay(_ settings: Recipe.Learning) -> Double {
    schedule(settings).decay(at: iteration, settings.relaxation)
  }

  /// The unit's outputs for some samples, on the weights that the variables stand for.
  private func evaluate(_ batch: [Int], dropping isDropping: Bool) {
    load(batch)
    let calls = batch.map(samples.call)
    for (site, input) in inputs.enumerated() {
      input.begin(calls, seeds: isDropping ? batch.map { dropping.seed(iteration, sample: $0, site: site) } : [])
    }
    executor.forward(images: batch.count)
  }

  /// Samples of a step that its weight comes from: an error averaged over an image's pixels varies little between images.
  private static let weighedSamples = 4
  /// Stands for the mean squared error of a step without any, whose weight would be infinite.
  private static let leastError = 1e-30

  /// One over each step's mean squared error at the start, from the first of its samples; 1 on average.
  private func weighSteps() {
    let steps = (0..<samples.count).map { samples.call(of: $0).step }
    let count = (steps.max() ?? 0) + 1
    var inverses = [Double](repeating: 0, count: count)
    for step in 0..<count {
      let batch = steps.indices.filter { steps[$0] == step }.prefix(min(Self.weighedSamples, executor.capacity))
      if batch.isEmpty { continue }
      evaluate(Array(batch), dropping: false)
      let error = batch.enumerated().reduce(0.0) { $0 + squaredError($1.offset, $1.element) }
      inverses[step] = Double(batch.count) / max(error, Self.leastError)
    }
    let mean = inverses.reduce(0, +) / Double(inverses.count { $0 > 0 })
    stepWeights = inverses.map { Float($0 / mean) }
  }

  /// Of the outputs of one image of the batch.
  private func squaredError(_ position: Int, _ sample: Int) -> Double {
    executor.segment.outputs.reduce(0.0) { total, node in
      let size = executor.elementCount(node)
      let (y, target) = (executor.value(node) + position * size, float.row(node, sample))
      var sum = 0.0
      for i in 0..<size { sum += Double(y[i] - target[i]) * Double(y[i] - target[i]) }
      return total + sum
    }
  }

  private func result() -> ReconstructedRegion {
    var found = ReconstructedRegion()
    for layer in layers {
      let (codes, quantizer) = layer.variables.frozen
      found.codes[layer.path] = layer.gradient.order.toCheckpoint(codes)
      found.scales[layer.path] = quantizer.scales
      if let bias = layer.bias {
        let rows = layer.gradient.outputChannels
        found.biases[bias] = Tensor([rows], Array(layer.gradient.bias.prefix(rows)))
      }
    }
    for input in inputs { found.steps[input.site] = input.scales }
    return found
  }

  private func learnBiases(rate: Double) {
    for position in layers.indices {
      guard let name = layers[position].bias, let gradient = executor.parameterGradients[name] else { continue }
      layers[position].gradient.bias.withUnsafeMutableBufferPointer { bias in
        guard let bias = bias.baseAddress else { return }
        layers[position].biasMoments.step(
          bias, gradient, rate: rate, kernels: kernels, pool: pool)
      }
    }
  }

  /// Samples of one iteration, without replacement: the first steps of a Fisher-Yates shuffle.
  private func draw(_ batch: Int) -> [Int] {
    var moved: [Int: Int] = [:]
    return (0..<batch).map { i in
      let j = i + Int(random.uniform() * Double(float.count - i))
      let chosen = moved[j] ?? j
      moved[j] = moved[i] ?? i
      return chosen
    }
  }

  private func load(_ samples: [Int]) {
    let inputs = executor.segment.inputs
    let mixed = learning.upstream == .mixed
    let source = learning.upstream == .float ? float : quantized
    let seeds = mixed ? samples.map { _ in UInt64(random.uniform() * 0x1p53) } : []
    pool.parallel(samples.count) { position in
      var coins = CoinFlips(seeds.isEmpty ? 0 : seeds[position])
      for node in inputs {
        let size = executor.elementCount(node)
        let target = executor.value(node) + position * size
        target.update(from: source.row(node, samples[position]), count: size)
        // QDrop (Wei et al. 2022, section 4.1): each element from either network.
        if mixed { coins.mix(float.row(node, samples[position]), into: target, count: size) }
      }
    }
  }

  /// The loss's gradient by the outputs: p |d|^(p-1) sign(d) / (batch * positions), times the step's weight, d being output
  /// less target.
  private func seedCotangents(_ batch: [Int]) {
    let power = Float(learning.power)
    for node in executor.segment.outputs where executor.hasCotangent(node) {
      let size = executor.elementCount(node)
      let mean = power / Float(batch.count * executor.positions(of: node))
      pool.parallel(batch.count) { position in
        let scale = stepWeights.isEmpty ? mean : mean * stepWeights[samples.call(of: batch[position]).step]
        let target = executor.cotangent(node) + position * size
        let (y, expected) = (executor.value(node) + position * size, float.row(node, batch[position]))
        if power == 2 {
          kernels.affine(y, scale, 0, target, size)
          kernels.addScaled(expected, -scale, target, size)
        } else {
          for i in 0..<size {
            let difference = y[i] - expected[i]
            target[i] = scale * copysignf(powf(abs(difference), power - 1), difference)
          }
        }
      }
    }
  }
}

// MARK: Weights

extension RegionReconstruction: LearnedWeights {
  func write(_ node: Int, to values: UnsafeMutablePointer<Float>) {
    if let position = positions[node] { layers[position].variables.write(to: values, kernels: kernels, pool: pool) }
  }

  /// One step of the optimiser: a layer's gradient is needed for nothing else.
  func take(_ gradient: UnsafeMutablePointer<Float>, of node: Int) {
    guard let position = positions[node], let settings = learning.weights else { return }
    let (exponent, decay) = (schedule(settings).exponent(at: iteration), decay(settings))
    layers[position].variables.step(
      gradient, penalty: exponent == nil ? 0 : Float(settings.penalty), exponent: Float(exponent ?? 2),
      rate: decay * settings.learningRate, scaleRate: decay * settings.scaleLearningRate, kernels: kernels, pool: pool)
  }
}

// MARK: State

extension RegionReconstruction {
  private static let stepWeightsKey = "step_weights"

  /// Everything that the iterations that are left depend on.
  private var state: RegionState {
    var arrays: [String: [Float]] = stepWeights.isEmpty ? [:] : [Self.stepWeightsKey: stepWeights]
    func add(_ owner: String, _ own: [String: [Float]]) {
      for (key, values) in own { arrays["\(owner)/\(key)"] = values }
    }
    for layer in layers {
      add(layer.path, layer.variables.state)
      guard layer.bias != nil else { continue }
      add(
        layer.path,
        ["bias": layer.gradient.bias, "bias.mean": layer.biasMoments.mean, "bias.square": layer.biasMoments.square])
    }
    for input in inputs { add(input.site.description, input.state) }
    return RegionState(iteration: iteration, drawn: Int(random.drawn), arrays: arrays)
  }

  /// Goes on from a state; stays at the beginning where it is not one of this region's.
  func restore(_ state: RegionState) {
    guard (1...learning.iterations).contains(state.iteration), let drawn = UInt32(exactly: state.drawn) else { return }
    func arrays(of owner: String) -> [String: [Float]] {
      state.arrays.reduce(into: [:]) { own, entry in
        if entry.key.hasPrefix(owner + "/") { own[String(entry.key.dropFirst(owner.count + 1))] = entry.value }
      }
    }
    let known = self.state
    let weights = state.arrays[Self.stepWeightsKey]
    guard
      known.arrays.allSatisfy({ key, values in
        key == Self.stepWeightsKey || state.arrays[key]?.count == values.count
      }), (learning.loss == .relative) == (weights != nil),
      weights.map({ weights in (0..<samples.count).allSatisfy { samples.call(of: $0).step < weights.count } }) ?? true
    else { return }
    for position in layers.indices {
      let own = arrays(of: layers[position].path)
      _ = layers[position].variables.restore(own, steps: state.iteration)
      if let bias = own["bias"], let mean = own["bias.mean"], let square = own["bias.square"] {
        layers[position].gradient.bias = bias
        layers[position].biasMoments = AdamMoments(mean: mean, square: square, steps: state.iteration)
      }
    }
    for input in inputs { _ = input.restore(arrays(of: input.site.description), steps: state.iteration) }
    stepWeights = weights ?? []
    random.drawn = drawn
    iteration = state.iteration
  }
}

extension QuantizedWeight {
  /// Whether each row has a scale and zero point of its own and is the layer's own weight.
  var isLearnable: Bool { quantizer.granularity == .perChannel && inputScales == nil }
}
