import Execution
import Graphs
import Quantization
import Tensors
import TestSupport
import Testing

@Suite struct SiteFormTests {
  private let rule = GridRule(.activation, bits: 8, symmetric: false, estimator: .minMax)

  @Test("images are taken apart by channels, tokens by their last axis") func parts() {
    func form(_ shape: Shape) -> SiteForm {
      SiteForm(rule, shape, boundaries: [1], inverseScales: [1, 0.5, 2])
    }
    // 2 images of 3 channels of 1 x 2 pixels.
    let images = Tensor([2, 3, 1, 2], [1, 2, 4, 6, 5, 7, 10, 20, 40, 60, 50, 70])
    #expect(
      form(.image(ImageShape(channels: 3, height: 1, width: 2))).parts(of: images) == [
        [1, 2, 10, 20], [2, 3, 10, 14, 20, 30, 100, 140],
      ])
    let tokens = Tensor([1, 2, 3], [1, 4, 5, 2, 6, 7])
    #expect(form(.tokens(count: 2, width: 3)).parts(of: tokens) == [[1, 2], [2, 10, 3, 14]])
    #expect(SiteForm(rule, .tokens(count: 2, width: 3)).parts(of: tokens) == [tokens.values])
  }

  @Test("a site's quantiser has the ranges of its parts") func quantizer() {
    let form = SiteForm(rule, .vector(6), boundaries: [3])
    let ranges = [ValueRange(lower: 0, upper: 2.55), ValueRange(lower: -25.5, upper: 0)]
    let found = form.quantizer(ranges)
    #expect(found.granularity == .split(boundaries: [3]))
    #expect(found.scales == [0.01, 0.1])
    #expect(found.zeroPoints == [0, 255])
  }
}

@Suite struct ChannelBalanceTests {
  private func balance(_ inputs: [Float], weights: [Float], boundaries: [Int] = []) -> ChannelBalance {
    var reach = ChannelReach()
    reach.add(
      Tensor([1, inputs.count, 1, 1], inputs),
      ChannelLayout(.image(ImageShape(channels: inputs.count, height: 1, width: 1))))
    return ChannelBalance(
      reach: reach, weight: Tensor([1, inputs.count, 1, 1], weights), boundaries: boundaries, weightBits: 8,
      activationBits: 8)
  }

  @Test("the noise of both roundings, by hand") func noise() {
    // Input: step 4 / 255 through weights 1 and 2; weight: step 4 / 254 with inputs of energy 16 and 1.
    let found = balance([4, 1], weights: [1, 2]).noise([1, 1])
    let (input, weight) = (4.0 / 255, 4.0 / 254)
    #expect(abs(found - (input * input / 12 * 5 + weight * weight / 12 * 17)) < 1e-12)
    // Halving the first input and doubling its weight: steps 2 / 255 and 4 / 254, energies 4 + 4 and 4 + 1.
    let scaled = balance([4, 1], weights: [1, 2]).noise([2, 1])
    #expect(abs(scaled - ((2.0 / 255) * (2.0 / 255) / 12 * 8 + weight * weight / 12 * 5)) < 1e-12)
    // Apart, each stretch has its own steps.
    let apart = balance([4, 1], weights: [1, 2], boundaries: [1]).noise([1, 1])
    let steps = (4.0 / 255 * 1, 1.0 / 255 * 2, 2.0 / 254 * 4, 4.0 / 254 * 1)
    let expected = steps.0 * steps.0 + steps.1 * steps.1 + steps.2 * steps.2 + steps.3 * steps.3
    #expect(abs(apart - expected / 12) < 1e-12)
  }

  @Test("scales are powers of two, lessen the noise, and spare what is even") func scales() throws {
    let uneven = balance([8, 0.1, 1, 0], weights: [0.1, 3, 1, 1])
    let found = try #require(uneven.scales())
    #expect(found.allSatisfy { $0.significand == 1 && $0 > 0 })
    #expect(found[0] > found[2] && found[2] > found[1])
    #expect(found[3] == 1)
    #expect(uneven.noise(found.map(Double.init)) < 0.5 * uneven.noise([1, 1, 1, 1]))
    #expect(balance([1, -1, 1], weights: [2, 2, -2]).scales() == nil)
  }
}

@Suite struct SplitQuantizationTests {
  private func recipe() throws -> Recipe {
    var recipe = try Recipe.plain()
    recipe.splitInputs = .all
    recipe.smoothing = .init(samplesPerStep: 2)
    recipe.weights = .init(
      bits: 4, symmetric: false, range: .l24Shrinks,
      rounding: .gptq(.init(samplesPerStep: 2, damping: 0.01, order: .activity, upstream: .float)),
      biasCorrection: true)
    return recipe
  }

  @Test("split and smoothed layers execute, survive their file, and are the same for any thread count")
  func roundTrip() throws {
    let tiny = try TinyModel()
    let recipe = try recipe()
    let set = try tiny.calibrationSet(recipe.calibration, steps: 3)
    let network = try tiny.task(recipe, set).run()
    let graph = tiny.model.graph
    let splits = graph.nodes.filter { !graph.concatenationBoundaries(ofInputTo: $0, direct: false).isEmpty }
    let layers = splits.filter { network.table.weights[$0.path] != nil }
    #expect(layers.count >= 4)
    for layer in layers {
      let boundaries = graph.concatenationBoundaries(ofInputTo: layer, direct: false)
      let site = Site(node: layer.path, role: .input)
      #expect(network.table.activations[site]?.rows[0].granularity == .split(boundaries: boundaries))
      let taps = graph.parameterDims(of: layer)!.dropFirst(2).reduce(1, *)
      #expect(
        network.table.weights[layer.path]?.quantizer.granularity == .rowSplit(boundaries: boundaries.map { $0 * taps }))
    }
    #expect(network.table.weights.values.contains { $0.inputScales != nil })
    #expect(try tiny.task(recipe, set, threads: 3).run().table == network.table)

    let artefact = try tiny.artefact(recipe, set, network)
    let (tensors, header) = artefact.encode()
    #expect(try QuantizedModel(tensors: tensors, header: header, file: "a") == artefact)

    let input = set.input(step: 1, 0..<2)
    let simulated = try ReferenceExecutor(network.model, simulating: network.table).run(input)
    let executed = try IntegerExecutor(network.model, table: network.table).run(input)
    #expect(relativeError(executed, simulated) < 1e-2)
  }

  @Test("smoothing without one of the operands is refused") func contradiction() throws {
    let value = Recipe.plainValue.setting("weights", "float").setting("smoothing", ["samples_per_step": 4])
    let error = thrownError { _ = try Recipe(value, file: "a.yaml") } as? ConfigurationError
    #expect(
      error?.message
        == "a.yaml: smoothing: balances quantised activations against quantised weights; set smoothing to none")
  }
}
