import Diffusion
import Graphs
import Quantization
import Tensors
import TestSupport
import Testing

/// What each distribution puts into a calibration set.
@Suite struct DistributionTests {
  private static let steps = 4

  private func set(
    _ distribution: Recipe.Distribution, trajectories: Int = 3, batch: Int = 2, classes: Int? = nil
  ) throws -> CalibrationSet {
    try TinyModel(classes: classes).calibrationSet(
      Recipe.Calibration(distribution: distribution, trajectories: trajectories, seed: 3, labels: .balanced),
      steps: Self.steps, batch: batch)
  }

  /// Row by row: state of trajectory `number` before step `position`; position 4 is the finished image.
  private func state(_ number: Int, _ position: Int) throws -> Tensor {
    let sampling = try TinyModel().sampling(steps: Self.steps)
    var loop = try SamplingLoop(
      denoiser: sampling.denoiser, schedule: sampling.schedule, sampler: sampling.sampler, images: [number],
      noise: NoiseSource(seed: 3, stream: .calibrate))
    for _ in 0..<position { _ = try loop.next() }
    return loop.x
  }

  private func noise(_ number: Int, _ shape: ImageShape) -> Tensor {
    NoiseSource(seed: 3, stream: .calibrate).normals(images: [number], shape: shape, draw: .initial)
  }

  @Test("fresh: every step has trajectories of its own") func fresh() throws {
    let set = try set(.fresh(every: 2))
    #expect(set.counts == [3, 0, 3, 0])
    for step in [0, 2] {
      let samples = set.samples(step: step, 0..<3)
      #expect(samples.trajectories == (0..<3).map { step * 3 + $0 })
      for row in 0..<3 { #expect(samples.x.rows(row..<row + 1) == (try state(step * 3 + row, step))) }
    }
  }

  @Test("images, noised images and noise, each at every step") func made() throws {
    let shape = try TinyModel().model.graph.imageShape
    let (clean, forward, noise) = try (set(.clean(every: 1)), set(.forward(every: 1)), set(.noise(every: 1)))
    let steps = clean.provenance.steps
    for other in [clean, forward, noise] { #expect(other.counts == [3, 3, 3, 3]) }
    for row in 0..<3 {
      let image = try state(row, Self.steps)
      for step in steps {
        let added = self.noise((step.index + 1) * 3 + row, shape)
        #expect(clean.samples(step: step.index, row..<row + 1).x == image)
        #expect(noise.samples(step: step.index, row..<row + 1).x == added)
        #expect(
          forward.samples(step: step.index, row..<row + 1).x
            == TinyModel.process.schedule.qSample(image, timesteps: [step.timestep], noise: added))
      }
    }
  }

  @Test("one step, counted from the clean end", arguments: [(0.0, 3), (0.3, 2), (0.5, 1), (1.0, 0)])
  func single(position: Double, step: Int) throws {
    let set = try set(.single(at: position))
    #expect(set.counts == (0..<4).map { $0 == step ? 3 : 0 })
    #expect(set.samples(step: step, 2..<3).x == (try state(2, step)))
  }

  @Test(
    "the content does not depend on the batch",
    arguments: [.fresh(every: 1), .noise(every: 2), .clean(every: 2), .forward(every: 1)] as [Recipe.Distribution])
  func batches(distribution: Recipe.Distribution) throws {
    let sets = try [1, 2, 64].map { try set(distribution, batch: $0, classes: 2) }
    for other in sets.dropFirst() {
      #expect(other.counts == sets[0].counts)
      for (step, count) in other.counts.enumerated() {
        #expect(other.samples(step: step, 0..<count) == sets[0].samples(step: step, 0..<count))
      }
    }
  }
}

@Suite struct StepImportanceTests {
  @Test("by hand: two like steps and one apart") func weights() {
    // Mean squared differences: 0.5 between the first two, 5 and 2.5 to the third; cosines 1 / sqrt 2, 0, 1 / sqrt 2.
    let features: [[Float]] = [[1, 0], [1, 1], [0, 3]]
    let found = StepImportance.weights(features: features, radius: 1, diversity: 2)
    // Density 1, 1, 0. Diversity: 1 - r + 1 - 0, 1 - r + 1 - r, 1 - 0 + 1 - r with r = 1 / sqrt 2: the ends are largest.
    let expected: [Double] = [1 + 2, 1 + 0, 0 + 2]
    for (a, b) in zip(found, expected) { #expect(abs(a - b) < 1e-12) }
  }

  @Test("shares are whole, add up, and follow the weights") func allocation() {
    #expect(StepImportance.allocation(of: 10, weights: [1, 1, 2]) == [3, 2, 5])
    #expect(StepImportance.allocation(of: 7, weights: [0, 0, 0]) == [3, 2, 2])
    #expect(StepImportance.allocation(of: 0, weights: [1, 3]) == [0, 0])
    #expect(StepImportance.allocation(of: 1024, weights: (0..<50).map(Double.init)).reduce(0, +) == 1024)
  }

  @Test("a set by importance has its trajectories' number of samples, at the steps the weights say") func set() throws {
    let calibration = Recipe.Calibration(
      distribution: .tdac(radius: 1, diversity: 1), trajectories: 8, seed: 0, labels: .balanced)
    let plan = CalibrationPlan(calibration, stepCount: 4, weights: [0, 1, 3, 0])
    #expect(plan.counts == [0, 2, 6, 0])
    #expect(plan.batches(of: 3).map(\.lastPosition) == [2, 2, 2])
  }
}
