import Diffusion
import Execution
import Foundation
import Graphs
import Synchronization
import Tensors
import TestSupport
import Testing

@Suite struct ReferenceExecutorTests {
  private func example(_ name: String) throws -> ExecutorCase {
    try #require(ExecutorCase.all.first { $0.name == name }, "no case \(name)")
  }

  private let eightBits = AffineQuantizer(bits: 8, scale: 0.02, zeroPoint: 128)

  // MARK: Simulation

  @Test func quantisedWeightsAreTheirDequantisedValues() throws {
    let example = try example("3x3")
    let weight = try #require(example.model.parameters["conv.weight"])
    let (channels, row) = (weight.dims[0], weight.count / weight.dims[0])
    let quantizer = AffineQuantizer(
      bits: 4, granularity: .perChannel, scales: (0..<channels).map { 0.01 + 0.001 * Float($0) },
      zeroPoints: [Int](repeating: 8, count: channels))
    let codes = quantizer.codes(weight.values, channelStride: row, channelCount: channels)
    var table = QuantizationTable()
    table.weights["conv"] = QuantizedWeight(dims: weight.dims, quantizer: quantizer, codes: codes)
    var parameters = example.model.parameters
    parameters["conv.weight"] = Tensor(
      weight.dims, quantizer.dequantized(codes, channelStride: row, channelCount: channels))
    let rounded = Model(graph: example.model.graph, parameters: parameters)
    let simulated = try ReferenceExecutor(example.model, simulating: table).run(example.input)
    #expect(try simulated == ReferenceExecutor(rounded).run(example.input))
    #expect(try simulated != ReferenceExecutor(example.model).run(example.input))
  }

  @Test func inputsAndOutputsPassThroughTheirQuantisers() throws {
    let example = try example("3x3")
    let executor = try ReferenceExecutor(example.model)
    func quantised(_ tensor: Tensor) -> Tensor {
      var tensor = tensor
      eightBits.simulate(&tensor.values, channelStride: 1, channelCount: 1)
      return tensor
    }
    var table = QuantizationTable()
    table.activations[Site(node: "conv", role: .input)] = ActivationQuantizers(shared: eightBits)
    var input = example.input
    input.x = quantised(input.x)
    #expect(try ReferenceExecutor(example.model, simulating: table).run(example.input) == executor.run(input))
    table.activations = [Site(node: "conv", role: .output): ActivationQuantizers(shared: eightBits)]
    #expect(
      try ReferenceExecutor(example.model, simulating: table).run(example.input)
        == quantised(executor.run(example.input)))
  }

  @Test func attentionOperandsPassThroughTheirQuantisers() throws {
    var g = GraphBuilder()
    let tokens = g.toTokens("tokens", g.sample(ImageShape(channels: 4, height: 2, width: 3)))
    let graph = try g.finish(
      output: g.attention(queries: tokens, keys: tokens, values: tokens, heads: 2, scale: 0.5))
    let model = Model(graph: graph, parameters: [:])
    let x = Tensor([1, 4, 2, 3], (0..<24).map { Float($0) / 7 - 1.5 })
    let coarse = AffineQuantizer(bits: 4, scale: 0.25, zeroPoint: 7)
    var table = QuantizationTable()
    table.activations[Site(node: "scores", role: .operand(1))] = ActivationQuantizers(shared: coarse)
    let found = try ReferenceExecutor(model, simulating: table).run(NetworkInput(images: x))
    var keys = x.values
    coarse.simulate(&keys, channelStride: 1, channelCount: 1)
    var expected = [Float](repeating: 0, count: 24)
    for head in 0..<2 {
      let channels = (2 * head)..<(2 * head + 2)
      for query in 0..<6 {
        var powers: [Double] = []
        for key in 0..<6 {
          var sum = 0.0
          for channel in channels { sum += Double(x.values[channel * 6 + query]) * Double(keys[channel * 6 + key]) }
          powers.append(exp(0.5 * sum))
        }
        for channel in channels {
          var sum = 0.0
          for key in 0..<6 { sum += powers[key] * Double(x.values[channel * 6 + key]) }
          expected[query * 4 + channel] = Float(sum / powers.reduce(0, +))
        }
      }
    }
    // Scores and probabilities are rounded to Float on the way.
    #expect(relativeError(found, Tensor([1, 6, 4], expected)) < 1e-6)
  }

  @Test func rowsOfATableAreChosenByStepAndLabel() throws {
    let network = GoldenNetwork.named("golden/unet-class-scale-shift")
    let model = try network.model()
    var input = try network.call().input
    input.x = input.x.rows(0..<2)
    input.timesteps = [Timestep(10), Timestep(10)]
    input.conditioning = [3, 8].map { Conditioning(label: $0) }
    let site = Site(node: "time_embedding.linear_2", role: .input)
    func quantizer(_ index: Int) -> AffineQuantizer {
      AffineQuantizer(bits: 4, scale: 0.1 + 0.01 * Float(index), zeroPoint: 3)
    }
    func run(_ quantizers: ActivationQuantizers, _ input: NetworkInput) throws -> Tensor {
      var table = QuantizationTable()
      table.activations[site] = quantizers
      return try ReferenceExecutor(model, simulating: table).run(input)
    }
    input.stepIndex = 1
    let perStep = ActivationQuantizers(key: .step, rows: [quantizer(0), quantizer(1)])
    #expect(try run(perStep, input) == run(ActivationQuantizers(shared: quantizer(1)), input))
    let perLabel = ActivationQuantizers(key: .stepAndLabel(classCount: 10), rows: (0..<20).map(quantizer))
    let both = try run(perLabel, input)
    for image in 0..<2 {
      var alone = input
      alone.x = input.x.rows(image..<(image + 1))
      alone.timesteps = [Timestep(10)]
      alone.conditioning = [input.conditioning[image]]
      let shared = ActivationQuantizers(shared: quantizer(10 + [3, 8][image]))
      #expect(try run(shared, alone) == both.rows(image..<(image + 1)))
    }
    input.stepIndex = nil
    #expect(throws: ExecutionError.stepMissing(site: "time_embedding.linear_2:input")) { try run(perStep, input) }
    input.stepIndex = 2
    #expect(throws: ExecutionError.stepOutOfRange(index: 2, count: 2)) { try run(perLabel, input) }
  }

  @Test func tablesThatDoNotFitAreRefused() throws {
    let example = try example("3x3")
    var table = QuantizationTable()
    table.weights["conv"] = QuantizedWeight(dims: [2], quantizer: eightBits, codes: [1, 2])
    table.weights["nowhere"] = QuantizedWeight(dims: [1], quantizer: eightBits, codes: [1])
    table.activations[Site(node: "conv", role: .operand(0))] = ActivationQuantizers(shared: eightBits)
    let halves = AffineQuantizer(bits: 8, granularity: .split(boundaries: [3]), scales: [1, 1], zeroPoints: [0, 0])
    table.activations[Site(node: "conv", role: .input)] = ActivationQuantizers(shared: halves)
    table.activations[Site(node: "conv", role: .output)] = ActivationQuantizers(
      key: .stepAndLabel(classCount: 2), rows: [eightBits, eightBits])
    let error = thrownError { _ = try ReferenceExecutor(example.model, simulating: table) } as? ExecutionError
    #expect(
      error?.message == """
        the quantiser table does not fit the network:
          conv:weight: expected shape [33, 3, 3, 3], found [2]
          nowhere:weight: no such layer
          conv:input: split at [3] of 3 channels
          conv:operand0: no such site
          conv:output: 2 rows for 2 classes, the network has 0
        """)
  }

  // MARK: Observation and the temporal block

  @Test func temporalSitesAreReportedOncePerDistinctTimestep() throws {
    let network = GoldenNetwork.named("golden-more/one-level")
    let model = try network.model()
    let x = Tensor([4] + model.graph.imageShape.dims, repeating: 0.5)
    let seen = Mutex<[(Site, Tensor)]>([])
    let observer = SiteObserver { site, value in seen.withLock { $0.append((site, value)) } }
    let executor = try ReferenceExecutor(model, observer: observer)
    let y = try executor.run(NetworkInput(x: x, timesteps: [5, 900, 5, 900].map { Timestep($0) }))
    let reported = seen.withLock { $0 }
    var order: [Site] = []
    // Probabilities come head by head.
    for (site, _) in reported where order.last != site { order.append(site) }
    #expect(order == model.graph.sites.filter { $0.role != .weight })
    for (site, value) in reported {
      let isTemporal = site.node.hasPrefix("time_embedding") || site.node.hasSuffix("time_emb_proj")
      #expect(value.dims[0] == (isTemporal ? 2 : 4), "\(site)")
    }
    #expect(y.rows(0..<2) == y.rows(2..<4))
    #expect(y.rows(0..<1) != y.rows(1..<2))
  }

  @Test(arguments: [
    (1, 1, false, [0: 0.8414709848, 1: 0.7604387421, 63: 9.9999999833e-05, 64: 0.5403023059, 127: 0.999999995]),
    (1, 500, false, [0: -0.4677718053, 1: -0.9996816175, 63: 0.0499791693, 64: -0.8838492734, 127: 0.9987502604]),
    (0, 1, true, [0: 0.5403023059, 1: 0.6479058723, 63: 0.9999999933, 64: 0.8414709848, 127: 0.0001154782]),
    (0, 500, true, [0: -0.8838492734, 1: 0.8485145440, 63: 0.9983335613, 64: -0.4677718053, 127: 0.0577070228]),
  ])
  func sinusoidsFollowTheFormula(shift: Float, t: Int, flip: Bool, expected: [Int: Double]) throws {
    var g = GraphBuilder()
    _ = g.sample(ImageShape(channels: 1, height: 1, width: 1))
    let embedding = SinusoidalEmbedding(width: 128, flipSinToCos: flip, frequencyShift: shift)
    let graph = try g.finish(output: g.sinusoidalEmbedding("time_proj", g.timestep(), embedding))
    let input = NetworkInput(x: Tensor([1, 1, 1, 1]), timesteps: [Timestep(t)])
    let found = try ReferenceExecutor(Model(graph: graph, parameters: [:])).run(input)
    // The angles are Float: near 500 their last bit is 3e-5.
    for (index, value) in expected { #expect(abs(Double(found.values[index]) - value) < 1e-4, "[\(index)]") }
  }

  // MARK: Calls that do not fit

  @Test func callsAreCheckedAgainstTheNetwork() throws {
    func message(_ name: String, _ change: (inout NetworkInput) -> Void) throws -> String? {
      let network = GoldenNetwork.named(name)
      var input = try network.call().input
      change(&input)
      let executor = try ReferenceExecutor(network.model())
      return (thrownError { _ = try executor.run(input) } as? ExecutionError)?.message
    }
    let labelled = "golden-more/fourier-classes"
    #expect(
      try message(labelled) { $0.x = Tensor([1, 3, 8, 8]) }
        == "x has shape [1, 3, 8, 8], the network takes N + [2, 8, 8]")
    #expect(try message(labelled) { $0.timesteps.removeLast() } == "1 timesteps for 2 images")
    #expect(
      try message(labelled) { $0.conditioning = [] }
        == "the network is class-conditional (3 classes) and no labels were given")
    #expect(try message(labelled) { $0.conditioning = [Conditioning(label: 1)] } == "1 labels for 2 images")
    #expect(
      try message(labelled) { $0.conditioning = [1, 3].map { Conditioning(label: $0) } } == "label 3 is outside 0..<3")
    #expect(
      try message(labelled) { $0.timesteps[1] = Timestep(0) }
        == "timestep 0.0 is not positive, and the network takes its logarithm")
    #expect(
      try message("golden-more/one-level") { $0.conditioning = [0, 0].map { Conditioning(label: $0) } }
        == "labels were given, but the network is unconditional")
    #expect(try message("golden-more/one-level") { $0.timesteps[0] = Timestep(.nan) } == "timestep nan is not finite")
    #expect(
      try message("golden-more/learned-time") { $0.timesteps[0] = Timestep(50) }
        == "timestep 50.0 is not a row of the learned time embedding: 0..<50")
  }

  @Test func anEmptyBatchGivesAnEmptyResult() throws {
    let example = try example("3x3")
    let found = try ReferenceExecutor(example.model).run(NetworkInput(x: Tensor([0, 3, 5, 7]), timesteps: []))
    #expect(found.dims == [0, 33, 5, 7])
  }
}
