import Diffusion
import Execution
import Quantization
import Tensors
import TestSupport
import Testing

@Suite struct NoiseCorrectionTests {
  @Test("a known slope, bias and variance are found again, and corrected away") func known() throws {
    var random = SplitMix64(5)
    let (count, channels, pixels) = (64, 2, 64)
    let float = Tensor([count, channels, 8, 8], random.floats(count * channels * pixels))
    let noise = random.floats(float.count)
    let biases: [Float] = [0.25, -0.5]
    let values = float.values.enumerated().map { i, x in 1.125 * x + biases[i / pixels % channels] + 0.1 * noise[i] }
    let quantized = Tensor(float.dims, values)
    var statistics = NoiseStatistics(channels: channels)
    // In pieces, as calls come.
    for image in 0..<count {
      statistics.add(float: float.rows(image..<image + 1), quantized: quantized.rows(image..<image + 1))
    }
    let row = statistics.row
    // Of 8,192 values, uniform in -1…1 (variance 1/3) and 0.1 times that: the slope's standard error is
    // 0.1 / sqrt(8192) = 0.001 from the noise, and sqrt(0.14 / 8192) / (1/3)^(1/2) = 0.007 from the means' difference
    // between the channels; a mean's is 0.0012 from the noise and 0.0011 from the slope.
    #expect(abs(row.slope - 0.125) < 0.03)
    for (found, expected) in zip(row.bias, biases) { #expect(abs(found - expected) < 0.01) }

    let correction = NoiseCorrection(rows: [row])
    let step = Step(index: 0, timestep: Timestep(10), previous: nil)
    let corrected = correction.corrected(quantized, at: step)
    func error(_ x: Tensor) -> Double {
      zip(x.values, float.values).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) } / Double(x.count)
    }
    // What is left is the noise, 0.01 / 3 over 1.125^2, and the slope's error squared times a third.
    #expect(error(corrected) < 0.0035 && error(quantized) > 0.15)
  }

  @Test("an error against epsilon has slope 0, and a learned variance is left alone") func bounds() {
    var random = SplitMix64(6)
    let float = Tensor([4, 2, 4, 4], random.floats(128))
    var statistics = NoiseStatistics(channels: 1)
    statistics.add(float: float, quantized: Tensor(float.dims, float.values.map { 0.5 * $0 }))
    #expect(statistics.row.slope == 0)
    let correction = NoiseCorrection(rows: [.init(slope: 1, bias: [0.5], variance: 0)])
    let step = Step(index: 0, timestep: Timestep(1), previous: nil)
    let found = correction.corrected(float, at: step)
    for i in 0..<128 {
      #expect(found.values[i] == (i / 16 % 2 == 0 ? (float.values[i] - 0.5) / 2 : float.values[i]))
    }
  }

  @Test("added noise shrinks by what epsilon carries, and never below nothing") func variance() throws {
    let process = TinyModel.process
    let ddpm = DDPMSampler(selection: TimestepSelection(steps: 10, spacing: .leading, offset: 0, previous: .list))
    var ddim = TinyModel.sampler(steps: 10)
    ddim.eta = 1
    for sampler in [ddpm, ddim] as [any Sampler] {
      let plan = try sampler.plan(for: process)
      for (index, step) in plan.steps.enumerated().dropLast() {
        let alphaBar = process.schedule.alphaBar(at: step.timestep)
        let previous = process.schedule.alphaBar(at: step.previous!)
        let alpha = alphaBar / previous
        let (balance, sigma) = try #require(sampler.noiseBalance(call: index, of: plan))
        // beta^2 / (alpha (1 - alphaBar)), He et al. 2023; with eta 1, DDIM is DDPM with the posterior's variance.
        let expected = (1 - alpha) * (1 - alpha) / (alpha * (1 - alphaBar))
        #expect(abs(balance * balance - expected) < 1e-9 * expected)
        #expect(abs(sigma * sigma - (1 - previous) / (1 - alphaBar) * (1 - alpha)) < 1e-12)
        let factor = sampler.noiseFactor(call: index, of: plan, residualVariance: 0.01)
        #expect(abs(factor * factor * sigma * sigma - max(0, sigma * sigma - expected * 0.01)) < 1e-9)
        #expect(sampler.noiseFactor(call: index, of: plan, residualVariance: 1e9) == 0)
        #expect(sampler.noiseFactor(call: index, of: plan, residualVariance: 0) == 1)
      }
    }
    // Nothing is added, so nothing can be taken away.
    let still = TinyModel.sampler(steps: 10)
    #expect(still.noiseFactor(call: 3, of: try still.plan(for: process), residualVariance: 1) == 1)
  }

  @Test("as a modifier of a method: measured, stored, and closer to the float network") func modifier() throws {
    let tiny = try TinyModel()
    var recipe = try Recipe.plain()
    recipe.weights?.bits = 3
    recipe.calibration.trajectories = 16
    let set = try tiny.calibrationSet(recipe.calibration, steps: 3)
    let plain = try tiny.task(recipe, set).run()
    #expect(plain.correction == nil)
    recipe.correction = .usual
    let network = try tiny.task(recipe, set).run()
    #expect(network.table == plain.table)
    let correction = try #require(network.correction)
    #expect(correction.rows.count == 3)

    let artefact = try tiny.artefact(recipe, set, network)
    let (tensors, header) = artefact.encode()
    let read = try QuantizedModel(tensors: tensors, header: header, file: "a")
    #expect(read.correction == correction && read.dependsOnStep)

    let float = try NetworkDenoiser(
      graph: tiny.model.graph, executor: ReferenceExecutor(tiny.model), predictionType: .epsilon)
    let quantized = try NetworkDenoiser(
      graph: tiny.model.graph, executor: ReferenceExecutor(network.model, simulating: network.table),
      predictionType: .epsilon)
    let corrected = CorrectedDenoiser(quantized, correction)
    for step in set.provenance.steps {
      let x = set.samples(step: step.index, 0..<16).x
      let expected = try float.predict(x, at: step, conditioning: [])
      func error(_ denoiser: any Denoiser) throws -> Double {
        let found = try denoiser.predict(x, at: step, conditioning: [])
        return zip(found.values, expected.values).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
      }
      // On the samples it was measured on, the least-squares slope and means cannot do worse, up to their order.
      #expect(try error(corrected) < error(quantized))
      #expect(corrected.residualVariance(at: step) > 0)
    }
  }

  @Test("steps that are chosen at random cannot be measured one by one") func contradiction() {
    let value = Recipe.plainValue.setting("correction", ["method": "ptqd", "samples_per_step": 4])
      .setting("calibration.every", 2)
    let error = thrownError { _ = try Recipe(value, file: "a.yaml") } as? ConfigurationError
    #expect(
      error?.message
        == "a.yaml: correction: each step's noise is measured on that step's samples; use distribution uniform with every 1"
    )
  }
}
