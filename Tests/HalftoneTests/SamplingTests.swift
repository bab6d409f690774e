import Formats
import Foundation
import Halftone
import TestSupport
import Testing

/// Drawing through the library: the same images as the command line, step by step, and stopped when its task is.
@Suite(.serialized) struct SamplingTests {
  private static let model = "fashion-mnist-ddpm"

  @Test func imagesAreThoseOfTheCommandLine() async throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("run")
    try halftone(
      "sample", Self.model, "--sampler", "ddim-10", "--indices", "3-8", "--seed", "7", "--out", folder)
    let pipeline = try await Pipeline.open(Self.model, in: testRuntime())
    var options = SamplingOptions(count: 6, first: 3, seed: 7, sampler: "ddim-10")
    var indices: [Int] = []
    for try await image in pipeline.images(options) {
      indices.append(image.index)
      #expect(image.label == nil)
      let written = try PNG.read("\(folder)/images/000000/00000\(image.index).png")
      #expect(written.pixels == image.image.bytes)
      #expect((image.image.width, image.image.height, image.image.channels) == (28, 28, 1))
      #expect(image.image.values.map(PixelConversion.code) == image.image.bytes)
    }
    #expect(indices == [3, 4, 5, 6, 7, 8])
    // Another seed gives other images, so that the comparison above says something.
    options.seed = 8
    options.count = 1
    for try await image in pipeline.images(options) {
      #expect(image.image.bytes != (try PNG.read("\(folder)/images/000000/000003.png").pixels))
    }
  }

  @Test func latentImagesWithGuidanceAreThoseOfTheCommandLine() async throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("run")
    try halftone(
      "sample", "fashion-mnist-ldm", "--sampler", "ddim-10", "--steps", "3", "--count", "5", "--labels", "4,1",
      "--guidance", "1.5", "--out", folder)
    let pipeline = try await Pipeline.open("fashion-mnist-ldm", in: testRuntime())
    #expect(pipeline.facts.isLatent && pipeline.facts.components.contains("decoder"))
    #expect(pipeline.facts.labels == Array(0..<10) && pipeline.facts.unconditionalLabel == 10)
    let options = SamplingOptions(count: 5, labels: [4, 1], guidance: 1.5, sampler: "ddim-10", steps: 3)
    var drawn = 0
    for try await image in pipeline.images(options) {
      #expect(try PNG.read("\(folder)/images/000000/00000\(image.index).png").pixels == image.image.bytes)
      #expect(image.label == (image.index % 2 == 0 ? 4 : 1))
      drawn += 1
    }
    #expect(drawn == 5)
  }

  @Test func stepsShowTheTrajectory() async throws {
    let pipeline = try await Pipeline.open(Self.model, in: testRuntime(batch: 2))
    var steps: [SamplingStep] = []
    var images: [SampledImage] = []
    for try await event in pipeline.sampling(SamplingOptions(count: 3, sampler: "ddim-10")) {
      switch event {
      case .step(let step): steps.append(step)
      case .image(let image): images.append(image)
      }
    }
    // Two images, then one: ten calls each.
    #expect(steps.map(\.images) == .init(repeating: [0, 1], count: 10) + .init(repeating: [2], count: 10))
    #expect(steps.map(\.index) == Array(0..<10) + Array(0..<10))
    #expect(steps.allSatisfy { $0.count == 10 && $0.input.height == 28 && $0.input.count == $0.images.count })
    for (one, next) in zip(steps[..<10], steps[1..<10]) {
      #expect(one.result == next.input)
      #expect(one.timestep > next.timestep)
    }
    #expect(images.map(\.index) == [0, 1, 2])
    #expect(steps[9].result.image(1) == images[1].image)
    #expect(steps[19].result.image(0) == images[2].image)
    // What x_0 is predicted to be is no noise from the beginning on: it is bounded, and it moves to the image.
    #expect(steps[0].predicted.values.allSatisfy { abs($0) <= 1.001 })
    let distance = { (step: SamplingStep) in
      zip(step.predicted.values, steps[9].result.values).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    }
    #expect(distance(steps[8]) < distance(steps[0]))
  }

  @Test func cancellationEndsTheSequence() async throws {
    let pipeline = try await Pipeline.open(Self.model, in: testRuntime())
    let (steps, continuation) = AsyncStream.makeStream(of: Int.self)
    // Hundreds of thousands of calls: it would not end by itself.
    let options = SamplingOptions(count: 1000, sampler: "ddpm-1000")
    let task = Task {
      for try await event in pipeline.sampling(options) {
        if case .step(let step) = event { continuation.yield(step.index) }
      }
    }
    for await index in steps where index == 2 { break }
    let clock = ContinuousClock()
    let cancelled = clock.now
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(clock.now - cancelled < .seconds(10))
  }

  @Test func notesSayWhatWasChosen() async throws {
    let noted = NoteBox()
    let pipeline = try await Pipeline.open(Self.model, in: testRuntime(notes: { noted.add($0) }))
    var images = pipeline.images(SamplingOptions(count: 1, steps: 2)).makeAsyncIterator()
    #expect(try await images.next()?.index == 0)
    #expect(try await images.next() == nil)
    #expect(noted.texts.allSatisfy { !$0.hasPrefix("note: ") })
    #expect(noted.texts.contains { $0.contains("taking") && $0.contains("2 steps") }, "\(noted.texts)")
  }

  @Test func factsAreThoseOfTheModel() async throws {
    let facts = try await Pipeline.open(Self.model, in: testRuntime()).facts
    #expect(facts.name == Self.model && facts.path == checkout + "/models/" + Self.model)
    #expect(facts.components == ["denoiser"] && !facts.isLatent && facts.quantization == nil)
    #expect((facts.imageShape.channels, facts.imageShape.height, facts.imageShape.width) == (1, 28, 28))
    #expect(facts.imageShape == facts.sampleShape && facts.imageShape.count == 784)
    #expect(facts.labels == [] && facts.unconditionalLabel == nil)
    #expect(facts.parameterCount > 1_000_000 && facts.weightsBytes > facts.parameterCount)
    #expect(facts.digest.hasPrefix("sha256:"))
  }
}
