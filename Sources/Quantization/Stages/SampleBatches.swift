import Diffusion

/// Samples of one step that go through the network in one call.
package struct SampleSlice: Sendable, Equatable {
  package let step: Int
  package let range: Range<Int>
  /// Of the samples in the range, only those of a branch of guidance; nil: all.
  package private(set) var branch: GuidanceBranch?

  package init(step: Int, range: Range<Int>) {
    self.step = step
    self.range = range
  }

  /// The same range, one branch of it.
  func only(_ branch: GuidanceBranch) -> SampleSlice {
    var slice = self
    slice.branch = branch
    return slice
  }
}

/// Samples whose values give one range per site.
package typealias SampleBatch = [SampleSlice]

/// How a set's samples become batches.
package struct SampleBatches {
  /// Samples at each step.
  package let counts: [Int]
  /// Samples per batch; nil puts all in one.
  package let batch: Int?

  package init(counts: [Int], batch: Int?) {
    self.counts = counts
    self.batch = batch
  }

  /// Images per network call; bounds the memory of a pass.
  package static let largestCall = 16

  /// Batches of each step by itself, in the order of the trajectories.
  package func perStep() -> [[SampleBatch]] {
    counts.enumerated().map { step, count in
      let size = batch ?? max(count, 1)
      return stride(from: 0, to: count, by: size).map { start in
        Self.slices(step, start..<min(start + size, count))
      }
    }
  }

  /// Batches of `interval` neighbouring steps together, each batch with the same share of each.
  package func perInterval(_ interval: Int) -> [[SampleBatch]] {
    if interval == 1 { return perStep() }
    return stride(from: 0, to: counts.count, by: interval).map { start in
      let steps = start..<min(start + interval, counts.count)
      let own = counts.enumerated().map { steps.contains($0) ? $1 : 0 }
      return SampleBatches(counts: own, batch: batch).stratified()
    }
  }

  /// Batches that all hold the same share of every step.
  ///
  /// Differs: PTQ4DM and Q-Diffusion shuffle the samples. Equal shares keep a moving average from leaning toward the
  /// steps that come last, without a random order to record.
  package func stratified() -> [SampleBatch] {
    let total = counts.reduce(0, +)
    let batches = batch.map { max((total + $0 - 1) / $0, 1) } ?? 1
    return (0..<batches).map { index in
      counts.enumerated().flatMap { step, count in
        Self.slices(step, (count * index / batches)..<(count * (index + 1) / batches))
      }
    }
  }

  private static func slices(_ step: Int, _ range: Range<Int>) -> SampleBatch {
    stride(from: range.lowerBound, to: range.upperBound, by: largestCall).map { start in
      SampleSlice(step: step, range: start..<min(start + largestCall, range.upperBound))
    }
  }
}
