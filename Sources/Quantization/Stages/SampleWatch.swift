import Execution
import Graphs
import Tensors

/// The one loop of every pass over calibration samples: slice after slice goes to its receiver, and progress is counted.
struct SampleWatch {
  let set: any CalibrationSource
  /// What progress calls the pass.
  let stage: String
  let progress: ProgressHandler
  private let total: Int
  private var done = 0

  /// - Parameter total: samples that all slices of the pass have together.
  init(_ task: QuantizationTask, _ stage: String, total: Int) {
    set = task.set
    self.stage = stage
    progress = task.progress
    self.total = total
  }

  /// Hands each slice's network call to `body`.
  mutating func run(
    _ slices: some Sequence<SampleSlice>, _ body: (SampleSlice, NetworkInput) throws -> Void
  ) throws {
    for slice in slices {
      let input = try set.input(slice)
      // A slice may hold nothing of its branch.
      if input.x.dims[0] > 0 { try body(slice, input) }
      done += slice.range.count
      try progress(WorkProgress(stage: stage, unit: "samples", done: done, total: total))
    }
  }
}

extension QuantizationTask {
  /// The first samples of each step, all steps in order, as one pass.
  /// - Parameter perStep: nil for all samples.
  func eachSample(
    _ stage: String, perStep: Int? = nil, _ body: (SampleSlice, NetworkInput) throws -> Void
  ) throws {
    let counts = perStep.map { most in set.counts.map { min($0, most) } } ?? set.counts
    var watch = SampleWatch(self, stage, total: counts.reduce(0, +))
    try watch.run(SampleBatches(counts: counts, batch: nil).perStep().joined().joined(), body)
  }
}

extension CalibrationSource {
  /// The network call of some samples.
  func input(_ slice: SampleSlice) throws -> NetworkInput {
    var samples = try samples(step: slice.step, slice.range)
    if let branch = slice.branch { samples = samples.only(branch) }
    return NetworkInput(x: samples.x, at: provenance.steps[slice.step], conditioning: samples.conditioning)
  }
}
