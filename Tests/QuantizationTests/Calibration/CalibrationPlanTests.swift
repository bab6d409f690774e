import Quantization
import Tensors
import TestSupport
import Testing

@Suite struct CalibrationPlanTests {
  private func ndtc(_ pairing: Recipe.Pairing, _ trajectories: Int, seed: Int = 0) -> Recipe.Calibration {
    Recipe.Calibration(
      distribution: .ndtc(mean: 0.4, std: 0.4, pairing: pairing), trajectories: trajectories, seed: seed,
      labels: .balanced)
  }

  @Test("normally distributed steps: mass at the ends and in the middle") func masses() {
    let (count, steps) = (100_000, 250)
    let drawn = CalibrationPlan.normallyDistributedSteps(count, mean: 0.4, std: 0.4, stepCount: steps, seed: 9)
    func share(_ range: ClosedRange<Int>) -> Double { Double(drawn.count { range.contains($0) }) / Double(count) }
    // Phi((1/250 - 0.4) / 0.4) = 0.1611, 1 - Phi((249/250 - 0.4) / 0.4) = 0.0682, Phi(0) - Phi(-0.75) = 0.2734 for
    // 25…99. The tolerance is five standard deviations of a share of 100,000 draws: 5 sqrt(0.25 / 100000).
    let tolerance = 0.008
    #expect(abs(share(0...0) - 0.1611) < tolerance)
    #expect(abs(share(249...249) - 0.0682) < tolerance)
    #expect(abs(share(25...99) - 0.2734) < tolerance)
    #expect(drawn.allSatisfy { (0..<steps).contains($0) })
  }

  @Test("draws depend on the seed alone; more trajectories keep the first ones' draws") func seeds() {
    func draw(_ count: Int, _ seed: UInt64) -> [Int] {
      CalibrationPlan.normallyDistributedSteps(count, mean: 0.4, std: 0.4, stepCount: 50, seed: seed)
    }
    #expect(draw(64, 1) == draw(64, 1))
    #expect(draw(64, 1) != draw(64, 2))
    #expect(Array(draw(128, 1).prefix(64)) == draw(64, 1))
  }

  @Test("the paper keeps the state that enters the step; the code the mirrored step's result") func pairings() {
    let steps = 50
    let drawn = CalibrationPlan.normallyDistributedSteps(200, mean: 0.4, std: 0.4, stepCount: steps, seed: 0)
    for pairing in Recipe.Pairing.allCases {
      let plan = CalibrationPlan(ndtc(pairing, 200), stepCount: steps)
      // Either way the network is told step S - 1 - t for the draw t, counted from the clean end.
      #expect(plan.counts == (0..<steps).map { step in drawn.count { $0 == steps - 1 - step } })
      for batch in plan.batches(of: 32) {
        for (position, rows) in batch.rows {
          for trajectory in batch.trajectories[rows] {
            #expect(position == (pairing == .paper ? steps - 1 - drawn[trajectory] : drawn[trajectory] + 1))
          }
        }
      }
    }
  }

  @Test("uniform keeps every k-th step of every trajectory", arguments: [1, 3, 7]) func uniform(every: Int) {
    let calibration = Recipe.Calibration(
      distribution: .uniform(every: every), trajectories: 10, seed: 0, labels: .balanced)
    let plan = CalibrationPlan(calibration, stepCount: 20)
    #expect(plan.counts == (0..<20).map { $0 % every == 0 ? 10 : 0 })
    let batches = plan.batches(of: 4)
    #expect(batches.map(\.trajectories) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]])
    #expect(batches.allSatisfy { $0.lastPosition == (20 - 1) / every * every })
  }
}
