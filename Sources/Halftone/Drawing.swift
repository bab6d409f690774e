internal import Diffusion
internal import Tensors
internal import Workbench

/// Where the drawing of some images stands: a batch on its trajectory, or on its way through the decoder.
struct Drawing: Sendable {
  private let sampler: ImageSampler
  /// Images of which nothing has been done.
  private var waiting: ClosedRange<Int>?
  private var batch: [Int] = []
  private var loop: SamplingLoop?
  /// Samples of the batch whose images are still to be made, from `position` on.
  private var samples: Tensor?
  private var position = 0
  /// Finished images that nobody has asked for, the next one last.
  private var ready: [SampledImage] = []

  init(_ pipeline: Pipeline, _ options: SamplingOptions, _ flag: CancellationFlag) throws {
    let (source, runtime) = (pipeline.source, pipeline.runtime)
    let session = runtime.session(flag)
    let images = try options.checkedImages()
    let chosen = try source.sampler(options.sampler.map { .named($0) }, steps: options.steps, assets: session.assets)
    let plan = try SamplingPlan(
      source: source, sampler: chosen.sampler, executor: options.executorKind ?? source.defaultExecutor,
      seed: options.seed, labels: options.labels.map { LabelCycle($0) }, guidance: options.guidanceOptions)
    session.console.notes(try source.schedule.notes + chosen.notes + plan.stepNotes)
    self.init(
      try plan.imageSampler(last: images.upperBound, compute: runtime.compute, console: session.console), images)
  }

  init(_ sampler: ImageSampler, _ images: ClosedRange<Int>) {
    self.sampler = sampler
    waiting = images
  }

  /// - Returns: nil when all images were handed over.
  mutating func next(_ flag: CancellationFlag) throws -> SamplingEvent? {
    if ready.isEmpty, samples != nil { try finishSome(flag) }
    if let image = ready.popLast() { return .image(image) }
    guard try begun() else { return nil }
    try flag.check()
    guard let state = try loop?.next(), let done = loop else { return nil }
    if done.completed == done.steps.count {
      (samples, position, loop) = (done.x, 0, nil)
    }
    return .step(
      SamplingStep(
        images: batch, index: state.step.index, count: done.steps.count, timestep: state.step.timestep.value,
        input: SampleBatch(state.x), predicted: SampleBatch(state.clean), result: SampleBatch(state.previous)))
  }

  /// The next finished image; the steps on the way to it go unseen.
  mutating func nextImage(_ flag: CancellationFlag) throws -> SampledImage? {
    while let event = try next(flag) {
      if case .image(let image) = event { return image }
    }
    return nil
  }

  /// Makes sure that a trajectory is under way. - Returns: false when none is left.
  private mutating func begun() throws -> Bool {
    if loop != nil { return true }
    guard let range = waiting else { return false }
    batch = Array(range.prefix(sampler.batch))
    let last = range.lowerBound + batch.count - 1
    waiting = last < range.upperBound ? (last + 1)...range.upperBound : nil
    loop = try sampler.trajectory(batch)
    return true
  }

  /// Makes images of as many samples as are made at a time.
  private mutating func finishSome(_ flag: CancellationFlag) throws {
    guard let samples else { return }
    let rows = position..<min(position + sampler.finishingBatch, batch.count)
    let images = try sampler.finished(samples, rows: rows, of: batch, pieceDone: flag.check)
    ready = rows.enumerated().reversed().map { row, position in
      SampledImage(
        index: batch[position], label: sampler.conditioning.labels?.label(of: batch[position]),
        image: Image(images, row: row))
    }
    position = rows.upperBound
    if position == batch.count { self.samples = nil }
  }
}
