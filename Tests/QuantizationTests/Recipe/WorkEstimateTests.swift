import Graphs
import Quantization
import Tensors
import TestSupport
import Testing

@Suite struct WorkEstimateTests {
  private static func recipe(_ file: String) throws -> Recipe { try ShippedRecipeTests.recipe(file) }

  private func estimate(_ recipe: Recipe, call: Double = 0.01, drawsSet: Bool = true) throws -> WorkEstimate {
    WorkEstimate(
      recipe, graph: try TinyModel().model.graph, stepCount: 50, callSeconds: call, drawsSet: drawsSet)
  }

  @Test("stages cost what their calls cost") func calls() throws {
    let recipe = try Recipe.plain()
    // Four trajectories of fifty steps, and ranges gathered meanwhile.
    let drawn = try estimate(recipe)
    #expect(drawn.stages.map(\.name) == ["drawing trajectories"])
    #expect(abs(drawn.seconds - 4 * 50 * 0.01) < 1e-9)
    // With a set at hand they take a pass.
    let passed = try estimate(recipe, drawsSet: false)
    #expect(passed.stages.map(\.name) == ["collecting ranges"])
    #expect(abs(passed.seconds - 1.2 * 4 * 50 * 0.01) < 1e-9)
    // Trajectories of their own for each step are half as long on average.
    let fresh = try Recipe(Recipe.plainValue.setting("calibration.distribution", "fresh"), file: "fresh.yaml")
    #expect(abs(try estimate(fresh, drawsSet: true).stages[0].seconds - 4 * 50 * 25.5 * 0.01) < 1e-9)
    // Twice as slow a machine takes twice as long for everything.
    for file in ShippedRecipeTests.files {
      let (slow, fast) = try (estimate(Self.recipe(file), call: 2e-8), estimate(Self.recipe(file), call: 1e-8))
      #expect(abs(slow.seconds - 2 * fast.seconds) < 1e-9 * slow.seconds, "\(file)")
    }
  }

  @Test(
    "less of a recipe's work never takes longer, and none of its numbers grows", arguments: ShippedRecipeTests.files)
  func monotone(file: String) throws {
    let recipe = try Self.recipe(file)
    #expect(recipe.scaled(by: 1).changes.isEmpty)
    var last = 0.0
    for share in stride(from: 0.0, through: 1, by: 0.125) {
      let (scaled, _) = recipe.scaled(by: share)
      let seconds = try estimate(scaled).seconds
      #expect(seconds >= last)
      last = seconds
      #expect(1...recipe.calibration.trajectories ~= scaled.calibration.trajectories)
      // What is left is a recipe.
      _ = try Recipe(scaled.encode(), file: file)
    }
  }

  @Test("a budget takes the largest share that fits, and names every number it changes") func budget() throws {
    let recipe = try Self.recipe("halftone-w4a8.yaml")
    let whole = try estimate(recipe).seconds
    func fit(_ seconds: Double) throws -> TimeBudget {
      let graph = try TinyModel().model.graph
      return TimeBudget(recipe, within: seconds) {
        WorkEstimate($0, graph: graph, stepCount: 50, callSeconds: 0.01, drawsSet: true)
      }
    }
    let enough = try fit(whole)
    #expect(enough.share == 1 && enough.changes.isEmpty && enough.recipe == recipe)
    let half = try fit(whole / 2)
    #expect(half.estimate.seconds <= whole / 2 && half.estimate.seconds > whole / 2.5)
    #expect(
      half.changes.map { String($0.prefix { $0 != ":" }) } == [
        "calibration.trajectories", "weights.rounding.samples_per_step", "reconstruction.samples_per_step",
        "reconstruction.temporal_block.iterations", "reconstruction.network.iterations",
      ])
    let none = try fit(0)
    #expect(none.share == 0 && none.estimate.seconds > 0)
    // A batch of the moving average, and the least that learning makes sense with.
    #expect(none.recipe.calibration.trajectories == 16)
    #expect(none.recipe.reconstruction?.network?.iterations == 50)
  }
}
