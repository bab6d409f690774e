import Diffusion
import Tensors

/// Which states of which sampling trajectories a calibration set keeps.
package struct CalibrationPlan: Sendable {
  /// Where the samples come from.
  package enum Source: Sendable, Equatable {
    /// States of trajectories, at the plan's positions.
    case trajectory
    /// Noise; no network call.
    case noise
    /// Finished images as they are.
    case clean
    /// Finished images with noise added, as in training.
    case forward
  }

  package let stepCount: Int
  package let calibration: Recipe.Calibration
  package let source: Source
  /// Samples at each sampling step.
  package let counts: [Int]
  /// Trajectories in the order they are sampled, each with the positions whose states it keeps. Position p is the state
  /// that enters step p; position `stepCount` the finished image.
  private let trajectories: [(number: Int, positions: [Int])]

  /// - Parameter weights: of the steps, for distribution `tdac`; nil counts all alike.
  package init(_ calibration: Recipe.Calibration, stepCount: Int, weights: [Double]? = nil) {
    self.calibration = calibration
    self.stepCount = stepCount
    let count = calibration.trajectories
    func kept(_ every: Int) -> [Int] { Array(stride(from: 0, to: stepCount, by: every)) }
    func sharing(_ every: Int) -> [(Int, [Int])] {
      let positions = kept(every)
      return (0..<count).map { ($0, positions) }
    }
    switch calibration.distribution {
    case .uniform(let every):
      (source, trajectories) = (.trajectory, sharing(every))
    case .noise(let every):
      (source, trajectories) = (.noise, sharing(every))
    case .clean(let every):
      (source, trajectories) = (.clean, sharing(every))
    case .forward(let every):
      (source, trajectories) = (.forward, sharing(every))
    case .fresh(let every):
      source = .trajectory
      trajectories = kept(every).flatMap { step in (0..<count).map { (step * count + $0, [step]) } }
    case .single(let position):
      source = .trajectory
      let step = stepCount - 1 - min(Int(position * Double(stepCount)), stepCount - 1)
      trajectories = (0..<count).map { ($0, [step]) }
    case .ndtc(let mean, let std, let pairing):
      source = .trajectory
      let drawn = Self.normallyDistributedSteps(
        count, mean: mean, std: std, stepCount: stepCount, seed: UInt64(calibration.seed))
      let positions = drawn.map { pairing == .paper ? stepCount - 1 - $0 : $0 + 1 }
      // Sorted, so that a batch ends at the last state it keeps.
      trajectories = positions.enumerated().map { ($0, [$1]) }.sorted { ($0.1[0], $0.0) < ($1.1[0], $1.0) }
    case .tdac:
      source = .trajectory
      let shares = StepImportance.allocation(
        of: count, weights: weights ?? [Double](repeating: 1, count: stepCount))
      let steps = shares.enumerated().flatMap { step, share in [Int](repeating: step, count: share) }
      trajectories = steps.enumerated().map { ($0, [$1]) }
    }
    counts = Self.counts(trajectories, calibration, stepCount)
  }

  private static func counts(
    _ trajectories: [(number: Int, positions: [Int])], _ calibration: Recipe.Calibration, _ stepCount: Int
  ) -> [Int] {
    var counts = [Int](repeating: 0, count: stepCount)
    for (_, positions) in trajectories {
      for position in positions { counts[calibration.step(at: position, stepCount: stepCount)] += 1 }
    }
    return counts
  }

  /// Samples at each step where they follow from the recipe alone; nil for distribution `tdac`, whose shares follow from the network.
  package static func counts(of calibration: Recipe.Calibration, stepCount: Int) -> [Int]? {
    var counts = [Int](repeating: 0, count: stepCount)
    switch calibration.distribution {
    case .uniform(let every), .noise(let every), .clean(let every), .forward(let every), .fresh(let every):
      for position in stride(from: 0, to: stepCount, by: every) {
        counts[calibration.step(at: position, stepCount: stepCount)] += calibration.trajectories
      }
      return counts
    case .single, .ndtc: return CalibrationPlan(calibration, stepCount: stepCount).counts
    case .tdac: return nil
    }
  }

  /// How many trajectories are sampled.
  package var trajectoryCount: Int { trajectories.count }

  /// The plan of consecutive trajectories alone, whose samples are those that the whole plan keeps of them.
  /// - Parameter range: positions in the order in which trajectories are sampled.
  package func part(_ range: ClosedRange<Int>) -> CalibrationPlan { CalibrationPlan(self, Array(trajectories[range])) }

  private init(_ whole: CalibrationPlan, _ trajectories: [(number: Int, positions: [Int])]) {
    (stepCount, calibration, source) = (whole.stepCount, whole.calibration, whole.source)
    self.trajectories = trajectories
    counts = Self.counts(trajectories, calibration, stepCount)
  }

  /// Bytes that a plan and its batches take at most, before they are made.
  package static func byteCount(_ calibration: Recipe.Calibration, stepCount: Int, batch: Int) -> Int {
    let kept = calibration.distribution.every.map { (stepCount + $0 - 1) / $0 } ?? 1
    let isFresh = if case .fresh = calibration.distribution { true } else { false }
    let trajectories = MemoryBudget.product(calibration.trajectories, isFresh ? kept : 1)
    // A trajectory's number and positions; of a batch, the rows of each position.
    let rows = MemoryBudget.product((trajectories + batch - 1) / batch, isFresh ? 1 : kept)
    return MemoryBudget.sum(MemoryBudget.product(80, trajectories), MemoryBudget.product(64, rows))
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
    /// How many steps the trajectories take.
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
      let last =
        switch source {
        case .trajectory: rows.keys.max() ?? 0
        case .noise: 0
        case .clean, .forward: stepCount
        }
      return Batch(trajectories: members.map(\.number), lastPosition: last, rows: rows)
    }
  }
}

/// Disjoint random sequences of one recipe.
enum RecipePurpose: Int {
  case timesteps = 0
  /// The first of as many as a network has blocks.
  case reconstruction = 1

  /// The draws of one block's reconstruction.
  static func reconstruction(of unit: Int) -> Int { reconstruction.rawValue + unit }
}

extension Recipe.Calibration {
  /// The sampling step that the network is told for the state at a position of the trajectory.
  ///
  /// PTQ4DM's released pairing keeps the result of step c for the draw t = c and tells the network respaced timestep t,
  /// which is step S - 1 - t: the mirror image of where the state was.
  func step(at position: Int, stepCount: Int) -> Int {
    if case .ndtc(_, _, .code) = distribution { stepCount - position } else { position }
  }

  /// What each trajectory is conditioned on; empty for unconditional models.
  package func conditioning(
    of trajectories: [Int], form: ConditioningForm
  ) throws(QuantizationError) -> [Conditioning] {
    guard let classCount = form.classes else { return [] }
    switch labels {
    case .balanced:
      let classes = form.labels
      return trajectories.map { Conditioning(label: classes[$0 % classes.count]) }
    case .cycled(let list):
      if let bad = list.first(where: { $0 >= classCount }) {
        throw .labelOutOfRange(label: bad, classCount: classCount)
      }
      return trajectories.map { Conditioning(label: list[$0 % list.count]) }
    }
  }
}
