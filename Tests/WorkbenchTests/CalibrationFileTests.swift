import Diffusion
import Quantization
import TestSupport
import Tensors
import Testing
import Workbench

/// Sets whose datasets have the right types, and not the samples that their provenance says.
@Suite struct CalibrationFileTests {
  /// What is found wrong with a set of two trajectories at two steps, or with its samples.
  private func problem(
    distribution: Recipe.Distribution = .uniform(every: 1), announced: Int = 2, counts: [Int] = [2, 2],
    trajectories: [Int] = [0, 1], value: Float = 1
  ) throws -> String? {
    let temporary = try TemporaryFolder()
    let provenance = CalibrationProvenance(
      modelDigest: "sha256:aa", imageShape: ImageShape(channels: 1, height: 2, width: 2), conditioning: .unconditional,
      sampler: ["type": "ddim"],
      steps: [
        Step(index: 0, timestep: Timestep(500), previous: Timestep(0)),
        Step(index: 1, timestep: Timestep(0), previous: nil),
      ], calibration: .init(distribution: distribution, trajectories: announced, seed: 0, labels: .balanced))
    let path = temporary.file("set.h5")
    try CalibrationFile.write(to: path) { sink in
      try sink.begin(provenance, counts: counts)
      for (step, count) in counts.enumerated() where count > 0 {
        try sink.append(
          CalibrationSamples(
            step: step, trajectories: Array(trajectories.prefix(count)),
            x: Tensor([count, 1, 2, 2], [Float](repeating: value, count: 4 * count)), conditioning: []))
      }
    }
    do {
      let set = try CalibrationFile.Reader(path, reader: BuiltProgram.reader)
      for (step, count) in counts.enumerated() where count > 0 { _ = try set.samples(step: step, 0..<count) }
      return nil
    } catch let error as CalibrationFileError {
      #expect(error.id == "E-CAL-FILE" && error.path == path)
      return error.problems.joined(separator: "; ")
    }
  }

  @Test func wholeSetsAreRead() throws {
    #expect(try problem() == nil)
    #expect(try problem(distribution: .uniform(every: 2), counts: [2, 0]) == nil)
    #expect(try problem(distribution: .fresh(every: 1), trajectories: [2, 3]) == nil)
    #expect(try problem(distribution: .tdac(radius: 1, diversity: 1), counts: [0, 2]) == nil)
  }

  @Test func numbersOfSamplesAreThoseOfTheRecipe() throws {
    #expect(try problem(counts: [0, 2]) == "step 0: expected 2 samples, found 0")
    #expect(
      try problem(announced: 1000) == "step 0: expected 1000 samples, found 2; step 1: expected 1000 samples, found 2")
    #expect(try problem(distribution: .uniform(every: 2)) == "step 1: expected 0 samples, found 2")
    #expect(try problem(distribution: .tdac(radius: 1, diversity: 1), counts: [1, 2]) == "expected 2 samples, found 3")
  }

  @Test(arguments: [-1, 4, 1 << 62]) func trajectoriesAreThoseOfTheRecipe(_ number: Int) throws {
    #expect(
      try problem(trajectories: [0, number]) == "steps/000000/trajectories: trajectory \(number), expected 0 to 3")
  }

  @Test(arguments: [Float.nan, .infinity]) func statesAreNumbers(_ value: Float) throws {
    #expect(try problem(value: value) == "steps/000000/x: expected numbers, found \(value)")
  }
}
