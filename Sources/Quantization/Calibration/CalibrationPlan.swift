import Diffusion
import Tensors

/// Which states of which sampling trajectories a calibration set keeps.
///
/// Trajectories are shared: one trajectory gives all its kept states, S network calls instead of the S (S - 1) / 2 of
/// fresh noise for every step. Differs: TFMQ-DM's released code draws fresh noise per step.
package struct CalibrationPlan: Sendable {
  package let stepCount: Int
  package let calibration: Recipe.Calibration
  /// Samples at each sampling step.
  package let counts: [Int]
  /// Trajectories in the order they are sampled, each with the positions whose states it keeps. Position p is the state
  /// that enters step p; position `stepCount` the finished image.
  private let trajectories: [(number: Int, positions: [Int])]

  package init(_ calibration: Recipe.Calibration, stepCount: Int) {
    self.calibration = calibration
    self.stepCount = stepCount
    switch calibration.distribution {
    case .uniform(let every):
      let kept = Array(stride(from: 0, to: stepCount, by: every))
      trajectories = (0..<calibration.trajectories).map { ($0, kept) }
    case .ndtc(let mean, let std, let pairing):
      let drawn = Self.normallyDistributedSteps(
        calibration.trajectories, mean: mean, std: std, stepCount: stepCount, seed: UInt64(calibration.seed))
      let positions = drawn.map { pairing == .paper ? stepCount - 1 - $0 : $0 + 1 }
      // Sorted, so that a batch ends at the last state it keeps.
      trajectories = positions.enumerated().map { ($0, [$1]) }.sorted { ($0.1[0], $0.0) < ($1.1[0], $1.0) }
    }
    var counts = [Int](repeating: 0, count: stepCount)
    for (_, positions) in trajectories {
      for position in positions { counts[calibration.step(at: position, stepCount: stepCount)] += 1 }
    }
    self.counts = counts
  }

  /// PTQ4DM's normally distributed time steps: clamp(floor(S Normal(mean, std)), 0, S - 1), counted from the clean end
  /// (Shang et al. 2023, section 3.3; mean and std 0.4 as released). With 0.4 and 0.4, 16 % of the draws clamp to 0 and
  /// 7 % to S - 1.
  package static func normallyDistributedSteps(
    _ count: Int, mean: Double, std: Double, stepCount: Int, seed: UInt64
  ) -> [Int] {
    var random = RecipeRandom(seed: seed, purpose: RecipePurpose.timesteps.rawValue)
    return (0..<count).map { _ in
      let drawn = ((mean + std * random.normal()) * Double(stepCount)).rounded(.down)
      return Int(min(max(drawn, 0), Double(stepCount - 1)))
    }
  }

  /// A run of trajectories sampled together.
  package struct Batch: Equatable {
    package let trajectories: [Int]
    /// The last position anything is kept at.
    package let lastPosition: Int
    /// Rows that keep their state at a position: contiguous, because batches are sorted.
    package let rows: [Int: Range<Int>]
  }

  package func batches(of size: Int) -> [Batch] {
    stride(from: 0, to: trajectories.count, by: size).map { start in
      let members = trajectories[start..<min(start + size, trajectories.count)]
      var rows: [Int: Range<Int>] = [:]
      for (row, member) in members.enumerated() {
        for position in member.positions { rows[position] = (rows[position]?.lowerBound ?? row)..<(row + 1) }
      }
      return Batch(trajectories: members.map(\.number), lastPosition: rows.keys.max() ?? 0, rows: rows)
    }
  }
}

/// Disjoint random sequences of one recipe.
enum RecipePurpose: Int {
  case timesteps = 0
}

extension Recipe.Calibration {
  /// The sampling step that the network is told for the state at a position of the trajectory.
  ///
  /// PTQ4DM's released pairing keeps the result of step c for the draw t = c and tells the network respaced timestep t,
  /// which is step S - 1 - t: the mirror image of where the state was.
  func step(at position: Int, stepCount: Int) -> Int {
    if case .ndtc(_, _, .code) = distribution { stepCount - position } else { position }
  }

  /// The class of each trajectory; nil for unconditional models.
  func labels(of trajectories: [Int], classCount: Int?) throws(QuantizationError) -> [Int]? {
    guard let classCount else { return nil }
    switch labels {
    case .balanced:
      return trajectories.map { $0 % classCount }
    case .cycled(let list):
      if let bad = list.first(where: { $0 >= classCount }) {
        throw .labelOutOfRange(label: bad, classCount: classCount)
      }
      return trajectories.map { list[$0 % list.count] }
    }
  }
}
