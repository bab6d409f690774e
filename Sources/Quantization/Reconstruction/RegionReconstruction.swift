import Models
import Tensors

/// Learns the rounding of one unit's weights so that its outputs come as near as can be to the float network's (BRECQ: Li
/// et al. 2021, "BRECQ: pushing the limit of post-training quantization by block reconstruction", algorithm 1).
///
/// Weights whose rows are split or whose input channels are scaled keep their first rounding. Loss: mean over batch and positions of the sum over channels of squared differences, plus AdaRound's regulariser.
final class RegionReconstruction {
  private let executor: GradientExecutor
  private let settings: Recipe.Learning
  private let schedule: RoundingSchedule
  private let pool: WorkerPool
  private let kernels: KernelTable
  private var layers: [Layer] = []
  private let float: SampleValues
  private let quantized: SampleValues
  private var random: RecipeRandom
  /// By sampling step: what its samples' losses are multiplied with; empty for ones.
  private var stepWeights: [Float] = []
  private let steps: [Int]

  private struct Layer {
    let path: String
    let gradient: GradientLayer
    let variables: RoundingVariables
    /// nil where there is no bias, or it is not learned.
    let bias: String?
    var biasMoments: AdamMoments
  }

  /// - Parameters: steps: the sampling step of each sample; network: the model with the weights that rounding begins with; float, quantized: values of the unit's
  ///   inputs in both networks, and of its outputs in the float network.
  init(
    _ unit: ReconstructionUnit, of network: QuantizedNetwork, settings: Recipe.Learning, seed: UInt64,
    number: Int, steps: [Int], float: SampleValues, quantized: SampleValues, pool: WorkerPool,
    kernels: KernelTable = .best
  ) throws {
    let graph = network.model.graph
    let quantised = unit.segment.nodes.filter { network.weight(at: $0) != nil }
    let paths = quantised.filter { network.weight(at: $0)?.isLearnable ?? false }
    // Layers that are not learned compute with the codes they have.
    let model = network.dequantized(quantised.filter { !paths.contains($0) })
    let weights = paths.flatMap { graph.nodes[$0].op.parameters.prefix(1) }
    let biases = settings.biasLearningRate > 0 ? paths.flatMap { graph.nodes[$0].op.parameters.dropFirst() } : []
    executor = try GradientExecutor(
      model, segment: unit.segment, targets: GradientTargets(parameters: Set(weights + biases), inputs: []),
      batch: min(settings.batch, float.count), pool: pool, kernels: kernels)
    self.settings = settings
    schedule = RoundingSchedule(
      iterations: settings.iterations, warmUp: settings.warmUp, first: settings.firstExponent,
      last: settings.lastExponent)
    self.pool = pool
    self.kernels = kernels
    self.float = float
    self.quantized = quantized
    self.steps = steps
    random = RecipeRandom(seed: seed, purpose: RecipePurpose.reconstruction(of: number))
    for index in paths {
      let path = graph.nodes[index].path
      guard let gradient = executor.layers[index], let start = network.table.weights[path] else { continue }
      let weight = Array(gradient.values)
      let codes = gradient.order.toLayer(start.codes)
      layers.append(
        Layer(
          path: path, gradient: gradient,
          variables: try RoundingVariables(
            weight: weight, start: codes, quantizer: start.quantizer, rows: gradient.outputChannels,
            relaxation: settings.relaxation, trust: Float(settings.startTrust)),
          bias: settings.biasLearningRate > 0 ? gradient.biasName : nil,
          biasMoments: AdamMoments(count: gradient.outputChannels)))
    }
  }

  /// Runs the iterations.
  /// - Parameter progress: called now and then with the iterations done.
  func run(progress: (Int) throws -> Void) throws -> ReconstructedRegion {
    if settings.loss == .relative { weighSteps() }
    for iteration in 1...max(settings.iterations, 1) {
      let samples = draw(executor.capacity)
      evaluate(samples)
      seedCotangents(samples)
      executor.backward()
      let exponent = schedule.exponent(at: iteration)
      let decay = schedule.decay(at: iteration, settings.relaxation)
      for layer in layers {
        layer.variables.step(
          layer.gradient.gradient.baseAddress!, penalty: exponent == nil ? 0 : Float(settings.penalty),
          exponent: Float(exponent ?? 2), rate: decay * settings.learningRate,
          scaleRate: decay * settings.scaleLearningRate, kernels: kernels, pool: pool)
      }
      learnBiases(rate: decay * settings.biasLearningRate)
      if iteration % 16 == 0 { try progress(iteration) }
    }
    return result()
  }

  /// The unit's outputs for some samples, on the weights that the variables stand for.
  private func evaluate(_ samples: [Int]) {
    for layer in layers { layer.variables.write(to: layer.gradient.values.baseAddress!, kernels: kernels, pool: pool) }
    executor.repack()
    load(samples)
    executor.forward(images: samples.count)
  }

  /// One over each step's mean squared error at the start, from as many of its samples as a batch holds; 1 on average.
  private func weighSteps() {
    let count = (steps.max() ?? 0) + 1
    var inverses = [Double](repeating: 0, count: count)
    for step in 0..<count {
      let samples = steps.indices.filter { steps[$0] == step }.prefix(executor.capacity)
      if samples.isEmpty { continue }
      evaluate(Array(samples))
      let error = samples.enumerated().reduce(0.0) { $0 + squaredError($1.offset, $1.element) }
      inverses[step] = Double(samples.count) / max(error, 1e-30)
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
    let mixed = settings.upstream == .mixed
    let source = settings.upstream == .float ? float : quantized
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

  /// The loss's gradient by the outputs: 2 (y - target) / (batch * positions), times the step's weight.
  private func seedCotangents(_ samples: [Int]) {
    for node in executor.segment.outputs {
      let size = executor.elementCount(node)
      let mean = 2 / Float(samples.count * executor.positions(of: node))
      pool.parallel(samples.count) { position in
        let scale = stepWeights.isEmpty ? mean : mean * stepWeights[steps[samples[position]]]
        let target = executor.cotangent(node) + position * size
        kernels.affine(executor.value(node) + position * size, scale, 0, target, size)
        kernels.addScaled(float.row(node, samples[position]), -scale, target, size)
      }
    }
  }
}

extension QuantizedWeight {
  /// Whether each row has a scale and zero point of its own and is the layer's own weight.
  var isLearnable: Bool { quantizer.granularity == .perChannel && inputScales == nil }
}
