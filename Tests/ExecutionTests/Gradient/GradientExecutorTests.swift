import Diffusion
import Execution
import Graphs
import Tensors
import TestSupport
import Testing

@Suite struct GradientExecutorTests {
  @Test func everyOperationIsTested() {
    let tested = Set(ExecutorCase.differentiable.flatMap { $0.model.graph.nodes.map(\.op.name) })
    #expect(tested == Op.allNames)
  }

  @Test(arguments: ExecutorCase.differentiable) func forwardAgreesWithTheReference(_ example: ExecutorCase) throws {
    let executor = try Self.executor(example)
    let found = try executor.run(example.input)
    let expected = try ReferenceExecutor(example.model).run(example.input)
    // As for the float executor: Float sums against Double ones.
    #expect(relativeError(found, expected) < 3e-6)
  }

  /// The derivative along a direction d of one parameter or of the image, from the reference executor at four points:
  /// (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12 h, whose error is of order h^4 and of the rounding of f over h.
  @Test(arguments: ExecutorCase.differentiable) func gradientsAgreeWithFiniteDifferences(_ example: ExecutorCase) throws
  {
    let executor = try Self.executor(example)
    let output = try executor.run(example.input)
    var random = SplitMix64(11)
    let cotangent = Tensor(output.dims, random.floats(output.count))
    let gradients = executor.gradients([example.model.graph.output: cotangent])
    let image = example.model.graph.inputNode(.sample)!.index

    func f(_ model: Model, _ input: NetworkInput) throws -> Double {
      let y = try ReferenceExecutor(model).run(input)
      return zip(y.values, cotangent.values).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    func check(_ name: String, _ gradient: Tensor, _ move: (Tensor, Float) throws -> Double) throws {
      let norm = gradient.values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      let random = Tensor(gradient.dims, random.floats(gradient.count))
      // Along itself the derivative is the gradient's norm; a random direction sees what stands across.
      for direction in norm > 0 ? [gradient, random] : [random] {
        let length = direction.values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        let unit = Tensor(direction.dims, direction.values.map { Float(Double($0) / length) })
        // Fourier features turn 2 pi ln t times as fast as their frequencies.
        // Near a kink the difference is off by the kink's share of h.
        let h: Float = name == "fourier.weight" || example.hasKinks ? 0x1p-10 : 0x1p-5
        let difference = try 8 * (move(unit, h) - move(unit, -h)) - (move(unit, 2 * h) - move(unit, -2 * h))
        let found = zip(gradient.values, unit.values).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
        // Rounding: a few hundred results of 2^-24 relative error, summed, over h; truncation h^4 of a fifth derivative.
        // A kink of relu moves the derivative by its share of h.
        let scale = max(norm, 0.05)
        let tolerance = example.hasKinks ? 2e-2 : 1e-3
        #expect(abs(difference / (12 * Double(h)) - found) < tolerance * scale, "\(name), norm \(norm)")
      }
    }

    for parameter in example.model.graph.parameters {
      let gradient = try #require(gradients.parameters[parameter.name])
      #expect(gradient.dims == parameter.dims)
      try check(parameter.name, gradient) { direction, h in
        var parameters = example.model.parameters
        parameters[parameter.name] = parameters[parameter.name]!.moved(along: direction, h)
        return try f(Model(graph: example.model.graph, parameters: parameters), example.input)
      }
    }
    try check("image", try #require(gradients.inputs[image])) { direction, h in
      var input = example.input
      input.x = input.x.moved(along: direction, h)
      return try f(example.model, input)
    }
  }

  @Test(arguments: ExecutorCase.differentiable) func threadsAndKernelsGiveTheSameBits(_ example: ExecutorCase) throws {
    var random = SplitMix64(3)
    let dims = try ReferenceExecutor(example.model).run(example.input).dims
    let cotangent = Tensor(dims, random.floats(dims.reduce(1, *)))
    func gradients(_ threads: Int, _ kernels: KernelTable) throws -> Gradients {
      let executor = try Self.executor(example, pool: WorkerPool(threads: threads), kernels: kernels)
      // A second pass must not see the first one's values.
      _ = try executor.run(example.input)
      _ = executor.gradients([example.model.graph.output: Tensor(dims, repeating: 1)])
      _ = try executor.run(example.input)
      return executor.gradients([example.model.graph.output: cotangent])
    }
    let expected = try gradients(1, .best)
    for kernels in KernelTable.available() {
      for threads in [1, 2, 5] {
        let found = try gradients(threads, kernels)
        #expect(found.parameters == expected.parameters, "\(kernels.name), \(threads) threads")
        #expect(found.inputs == expected.inputs, "\(kernels.name), \(threads) threads")
      }
    }
  }

  /// Convolutions share grids among the images of a batch, as many as there are threads or four.
  @Test(arguments: ExecutorCase.differentiable) func batchesThatShareGridsHaveTheSameBits(_ example: ExecutorCase)
    throws
  {
    let graph = example.model.graph
    let rows = [0, 1, 1, 0, 1, 0, 0]
    let one = example.input
    let input = NetworkInput(
      x: .stacked(rows.map { one.x.rows($0..<$0 + 1) }),
      timesteps: one.timesteps.isEmpty ? [] : rows.map { one.timesteps[$0] },
      conditioning: one.conditioning.isEmpty ? [] : rows.map { one.conditioning[$0] }, stepIndex: one.stepIndex)
    func gradients(threads: Int) throws -> Gradients {
      let executor = try Self.executor(
        example.model, graph.wholeSegment, batch: rows.count, pool: WorkerPool(threads: threads))
      let result = try executor.run(input)
      var random = SplitMix64(7)
      return executor.gradients([graph.output: Tensor(result.dims, random.floats(result.count))])
    }
    let (shared, apart) = (try gradients(threads: 1), try gradients(threads: rows.count))
    #expect(shared.parameters == apart.parameters)
    #expect(shared.inputs == apart.inputs)
  }

  @Test func segmentsChainToTheWhole() throws {
    let example = ExecutorCase.all.first { $0.name == "residual block" }!
    let graph = example.model.graph
    let whole = try Self.executor(example)
    let output = try whole.run(example.input)
    var random = SplitMix64(5)
    let cotangent = Tensor(output.dims, random.floats(output.count))
    let expected = whole.gradients([graph.output: cotangent])

    let cut = graph.node(at: "act1")!.index
    let tail = graph.segment(graph.nodes.indices.filter { $0 > cut && !graph.isTemporal[$0] })
    let head = graph.segment(graph.nodes.indices.filter { $0 <= cut && !graph.isTemporal[$0] })
    // The time's feature is given to the tail; the stem's result feeds both.
    #expect(tail.inputs.map { graph.nodes[$0].path } == ["stem", "act1", "time"])
    #expect(head.outputs.map { graph.nodes[$0].path } == ["stem", "act1"])
    let first = try Self.executor(example.model, head, batch: 2)
    let second = try Self.executor(example.model, tail, batch: 2)
    let early = first.run([graph.node(at: "image")!.index: example.input.x])
    var inputs = early
    inputs[graph.node(at: "time")!.index] = try Self.value(of: "time", in: example)
    let late = second.run(inputs)
    #expect(late[graph.output] == output)
    let tailGradients = second.gradients([graph.output: cotangent])
    var cotangents = tailGradients.inputs
    cotangents[graph.node(at: "time")!.index] = nil
    let headGradients = first.gradients(cotangents)
    for (name, gradient) in tailGradients.parameters.merging(headGradients.parameters, uniquingKeysWith: { a, _ in a })
    {
      // The same kernels in the same order; only the sum of the stem's two cotangents may be ordered otherwise.
      #expect(relativeError(gradient, try #require(expected.parameters[name])) < 1e-6, "\(name)")
    }
  }

  /// Twice the operand in front of half the weight is the same layer.
  @Test(arguments: ExecutorCase.differentiable) func quantisersStandBetweenOperandAndLayer(_ example: ExecutorCase)
    throws
  {
    let graph = example.model.graph
    let plain = try Self.executor(example)
    let output = try plain.run(example.input)
    let cotangents = [graph.output: Tensor(output.dims, repeating: 0.5)]
    let expected = plain.gradients(cotangents)
    let weights = Set(graph.layerWeights.map(\.parameter))
    let parameters = example.model.parameters.map { name, tensor in
      (name, weights.contains(name) ? Tensor(tensor.dims, tensor.values.map { $0 / 2 }) : tensor)
    }
    let doubled = try GradientExecutor(
      Model(graph: graph, parameters: Dictionary(uniqueKeysWithValues: parameters)), segment: graph.wholeSegment,
      targets: GradientTargets(everythingIn: graph.wholeSegment, of: graph), batch: 2,
      quantizers: Dictionary(uniqueKeysWithValues: graph.layerWeights.map { ($0.path, Doubling()) }))
    #expect(try doubled.run(example.input) == output)
    let found = doubled.gradients(cotangents)
    #expect(found.inputs == expected.inputs)
    for (name, gradient) in found.parameters {
      let factor: Float = weights.contains(name) ? 2 : 1
      #expect(gradient.values == expected.parameters[name]?.values.map { $0 * factor }, "\(name)")
    }
  }

  @Test("normalised, activated and quantised values are not held between the walks") func memoryOfValues() {
    let example = ExecutorCase.all.first { $0.name == "residual block" }!
    let graph = example.model.graph
    let segment = graph.wholeSegment
    func bytes(_ targets: GradientTargets) -> Int {
      GradientExecutor.bytes(
        graph, segment: segment, targets: targets, batch: 1,
        quantized: Set(segment.nodes.filter { layers.contains($0) }))
    }
    let layers = Set(graph.nodes.filter { $0.op.facts.isLayer }.map(\.index))
    let all = graph.nodes.reduce(0) {
      $0 + 4 * $1.count + (layers.contains($1.index) ? 4 * graph.nodes[$1.inputs[0]].count : 0)
    }
    let learning = bytes(GradientTargets(everythingIn: segment, of: graph))
    let evaluating = bytes(.nothing)
    // With all cotangents in the same memory.
    #expect(learning < all, "\(learning) of \(all)")
    #expect(evaluating < learning / 2, "\(evaluating) of \(learning)")
  }

  @Test("a learner's weights are the layers', not the model's, and it takes each gradient once") func learnedWeights()
    throws
  {
    let example = ExecutorCase.all.first { $0.name == "residual block" }!
    let graph = example.model.graph
    let plain = try Self.executor(example)
    let output = try plain.run(example.input)
    let cotangents = [graph.output: Tensor(output.dims, repeating: 0.5)]
    let expected = plain.gradients(cotangents)
    let names = Set(plain.layers.values.map(\.weightName))
    let blank = Model(
      graph: graph,
      parameters: Dictionary(
        uniqueKeysWithValues: example.model.parameters.map { name, weight in
          (name, names.contains(name) ? Tensor(weight.dims) : weight)
        }))
    let executor = try Self.executor(blank, graph.wholeSegment, batch: 2)
    let learner = RecordingLearner(executor.layers, example.model)
    executor.learned = learner
    #expect(try executor.run(example.input) == output)
    let found = executor.gradients(cotangents)
    #expect(found.inputs == expected.inputs)
    #expect(found.parameters == expected.parameters.filter { !names.contains($0.key) })
    #expect(learner.taken == expected.parameters.filter { names.contains($0.key) }.mapValues(\.values))
    #expect(learner.takes == names.count && !names.isEmpty)
  }

  @Test func paddingBeyondTheKernelIsRefusedByName() throws {
    let example = ExecutorCase("wide padding", channels: 2, height: 4, width: 4) { g, image in
      g.conv2d("conv", image, out: 2, kernel: 1, padding: .init(rows: 1, columns: 1))
    }
    #expect(
      throws: ExecutionError.unsupported(
        site: "conv:input", reason: "gradients of a convolution padded beyond its kernel's reach")
    ) { try Self.executor(example) }
  }

  // MARK: Helpers

  static func executor(
    _ example: ExecutorCase, pool: WorkerPool = .shared, kernels: KernelTable = .best
  ) throws -> GradientExecutor {
    try executor(example.model, example.model.graph.wholeSegment, batch: 2, pool: pool, kernels: kernels)
  }

  static func executor(
    _ model: Model, _ segment: GraphSegment, batch: Int, pool: WorkerPool = .shared, kernels: KernelTable = .best
  ) throws -> GradientExecutor {
    try GradientExecutor(
      model, segment: segment, targets: GradientTargets(everythingIn: segment, of: model.graph), batch: batch,
      pool: pool, kernels: kernels)
  }

  /// A temporal node's value for each image of the case, from a segment of its own.
  static func value(of path: String, in example: ExecutorCase) throws -> Tensor {
    let graph = example.model.graph
    let node = graph.node(at: path)!.index
    let segment = graph.segment(graph.nodes.indices.filter { graph.isTemporal[$0] && $0 <= node })
    let executor = try executor(example.model, segment, batch: 2)
    let timesteps = Tensor([2], example.input.timesteps.map { Float($0.value) })
    return executor.run([graph.node(at: "timestep")!.index: timesteps])[node]!
  }
}

/// Writes a model's weights and keeps what it takes, in the checkpoint's arrangement.
private final class RecordingLearner: LearnedWeights {
  private let layers: [Int: GradientLayer]
  private let model: Model
  private(set) var taken: [String: [Float]] = [:]
  private(set) var takes = 0

  init(_ layers: [Int: GradientLayer], _ model: Model) {
    self.layers = layers
    self.model = model
  }

  func write(_ node: Int, to values: UnsafeMutablePointer<Float>) {
    layers[node]!.order.toLayer(model.parameters[layers[node]!.weightName]!.values, values)
  }

  func take(_ gradient: UnsafeMutablePointer<Float>, of node: Int) {
    takes += 1
    taken[layers[node]!.weightName] = layers[node]!.order.toCheckpoint(gradient)
    // What it leaves there reaches no other layer's gradient.
    gradient.update(repeating: .nan, count: layers[node]!.count)
  }
}

/// Not a quantiser at all, but a function whose gradient is known.
private final class Doubling: DifferentiableQuantizer {
  func forward(_ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int, image: Int) {
    for i in 0..<count { out[i] = 2 * x[i] }
  }
  func backward(
    _ x: UnsafePointer<Float>, _ cotangent: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>,
    accumulate: Bool, count: Int, image: Int
  ) {
    for i in 0..<count { dx[i] = 2 * cotangent[i] + (accumulate ? dx[i] : 0) }
  }
}

extension ExecutorCase {
  var hasKinks: Bool {
    model.graph.nodes.contains { node in
      if case .pool(let pooling) = node.op { return pooling.kind == .maximum }
      return node.op == .activation(.relu)
    }
  }
}

extension Tensor {
  fileprivate func moved(along direction: Tensor, _ h: Float) -> Tensor {
    Tensor(dims, zip(values, direction.values).map { $0 + h * $1 })
  }
}
