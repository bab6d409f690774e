import Diffusion
import Execution
import Tensors
import TestSupport
import Testing

@Suite struct NetworkDenoiserTests {
  @Test func aStepIsOneCallWithItsTimestepForEveryImage() throws {
    let network = GoldenNetwork.named("golden-more/one-level")
    let model = try network.model()
    let graph = model.graph
    let executor = try ReferenceExecutor(model)
    // Two channels in, one out: no denoiser.
    #expect(throws: ExecutionError.outputShape(expected: [2, 7, 7], found: [1, 7, 7])) {
      try NetworkDenoiser(graph: graph, executor: executor, predictionType: .epsilon)
    }
    let fitting = GoldenNetwork.named("golden-more/older-names")
    let denoiser = try NetworkDenoiser(
      graph: fitting.model().graph, executor: ReferenceExecutor(fitting.model()), predictionType: .velocity)
    #expect(denoiser.imageShape == ImageShape(channels: 3, height: 4, width: 4))
    #expect(denoiser.conditioning == .unconditional)
    #expect(denoiser.predictionType == .velocity)
    let (input, y) = try fitting.call()
    let step = Step(index: 7, timestep: input.timesteps[0], previous: nil)
    let predicted = try denoiser.predict(input.x, at: step, conditioning: [])
    #expect(relativeError(predicted.rows(0..<1), y.rows(0..<1)) <= 1e-5)
    #expect(relativeError(predicted.rows(1..<2), y.rows(1..<2)) > 1e-3)
  }

  @Test func aLearnedVarianceDoublesTheChannels() throws {
    let network = GoldenNetwork.named("golden/unet-class-scale-shift")
    let model = try network.model()
    let executor = try ReferenceExecutor(model)
    let denoiser = try NetworkDenoiser(
      graph: model.graph, executor: executor, predictionType: .epsilon, learnsVariance: true)
    #expect(denoiser.conditioning == ConditioningForm(classes: 10))
    #expect(throws: ExecutionError.outputShape(expected: [1, 16, 16], found: [2, 16, 16])) {
      try NetworkDenoiser(graph: model.graph, executor: executor, predictionType: .epsilon)
    }
  }
}
