import Diffusion
import Tensors

/// Makes calibration sets from the float model's own sampling trajectories.
package struct CalibrationSampling: Sendable {
  package let denoiser: any Denoiser
  package let schedule: NoiseSchedule
  package let sampler: any Sampler
  /// Identity of the model behind `denoiser`; stored with the set.
  package let modelDigest: String
  /// Trajectories sampled together. The set does not depend on it; memory does: one batch's states and the network's
  /// working memory for it are all that is held besides what the sink keeps.
  package let batch: Int
  /// How trajectories are guided; nil where they are not.
  private let guidance: GuidanceSetting?

  /// A network call's inner features, one row per image, for distribution `tdac`.
  package typealias FeatureProbe =
    @Sendable (_ x: Tensor, _ step: Step, _ conditioning: [Conditioning]) throws
    -> Tensor
  private let probe: FeatureProbe?

  /// - Parameter probe: needed for distribution `tdac` only.
  package init(
    denoiser: any Denoiser, schedule: NoiseSchedule, sampler: any Sampler, modelDigest: String, batch: Int,
    guidance: GuidanceSetting? = nil, probe: FeatureProbe? = nil
  ) {
    self.guidance = guidance
    precondition(batch > 0)
    self.probe = probe
    self.denoiser = denoiser
    self.schedule = schedule
    self.sampler = sampler
    self.modelDigest = modelDigest
    self.batch = batch
  }

  /// What the set of `calibration` will say of itself. - Throws: when sampler, schedule and network do not fit.
  package func provenance(_ calibration: Recipe.Calibration) throws -> CalibrationProvenance {
    let process = DiffusionProcess(schedule: schedule, predictionType: denoiser.predictionType)
    return CalibrationProvenance(
      modelDigest: modelDigest, imageShape: denoiser.imageShape, conditioning: denoiser.conditioning,
      sampler: sampler.configuration, steps: try sampler.plan(for: process).steps, calibration: calibration,
      guidance: guidance)
  }

  /// What is sampled. - Throws: when labels and network do not fit, before the first network call.
  package func plan(_ calibration: Recipe.Calibration, progress: ProgressHandler) throws -> CalibrationPlan {
    let provenance = try provenance(calibration)
    _ = try calibration.conditioning(of: [0], form: denoiser.conditioning)
    let weights = try weights(calibration, provenance.steps, progress)
    return CalibrationPlan(calibration, stepCount: provenance.steps.count, weights: weights)
  }

  /// The whole set: plans it and samples the plan's trajectories.
  package func run(
    _ calibration: Recipe.Calibration, into sink: any CalibrationSink, gathering ranges: TrajectoryRanges? = nil,
    progress: ProgressHandler
  ) throws {
    try run(plan(calibration, progress: progress), into: sink, gathering: ranges, progress: progress)
  }

  /// Samples the trajectories of a plan, or of a part of one, and hands every kept state to `sink`. Noise: `calibration.seed`,
  /// calibration stream, trajectory number as image index; what is added to finished images, or stands for them: the numbers
  /// beyond the trajectories', step by step.
  /// - Parameter ranges: where ranges are gathered meanwhile; `denoiser` is then watched by its observer.
  package func run(
    _ plan: CalibrationPlan, into sink: any CalibrationSink, gathering ranges: TrajectoryRanges? = nil,
    progress: ProgressHandler
  ) throws {
    let calibration = plan.calibration
    let provenance = try provenance(calibration)
    let noise = NoiseSource(seed: UInt64(calibration.seed), stream: .calibrate)
    let batches = plan.batches(of: batch)
    // The last states are only kept, and the network sees them for the ranges' sake alone.
    let extra = ranges == nil ? 0 : 1
    let total = batches.reduce(0) { $0 + ($1.lastPosition + extra) * $1.trajectories.count }
    var done = 0
    try sink.begin(provenance, counts: plan.counts)
    for batch in batches {
      let conditioning = try calibration.conditioning(of: batch.trajectories, form: denoiser.conditioning)
      func keep(_ rows: Range<Int>, position: Int, _ x: Tensor) throws {
        try sink.append(
          CalibrationSamples(
            step: calibration.step(at: position, stepCount: plan.stepCount),
            trajectories: Array(batch.trajectories[rows]), x: x,
            conditioning: Array(conditioning.isEmpty ? [] : conditioning[rows])))
      }
      var loop = try SamplingLoop(
        denoiser: denoiser, schedule: schedule, sampler: sampler, images: batch.trajectories,
        conditioning: conditioning, noise: noise)
      for position in 0...batch.lastPosition {
        if plan.source == .trajectory, let rows = batch.rows[position] {
          try keep(rows, position: position, loop.x.rows(rows))
        }
        let step = calibration.step(at: position, stepCount: plan.stepCount)
        let isWatched = batch.rows[position] != nil
        if position == batch.lastPosition {
          guard let ranges, isWatched else { break }
          _ = try ranges.watching(step: step) {
            try denoiser.predict(loop.x, at: provenance.steps[step], conditioning: conditioning)
          }
        } else if let ranges, isWatched {
          _ = try ranges.watching(step: step) { try loop.next() }
        } else {
          _ = try loop.next()
        }
        done += batch.trajectories.count
        try progress(WorkProgress(stage: "sampling calibration trajectories", unit: "steps", done: done, total: total))
      }
      if plan.source == .trajectory { continue }
      for step in provenance.steps {
        guard let rows = batch.rows[step.index] else { continue }
        let numbers = batch.trajectories[rows].map { (step.index + 1) * calibration.trajectories + $0 }
        let fresh = noise.normals(images: numbers, shape: denoiser.imageShape, draw: .initial)
        try keep(
          rows, position: step.index,
          made(plan.source, from: loop.x.rows(rows), with: fresh, at: step))
      }
    }
    ranges?.finish()
  }

  /// A sample that is no state of a trajectory.
  private func made(_ source: CalibrationPlan.Source, from x: Tensor, with noise: Tensor, at step: Step) -> Tensor {
    switch source {
    case .trajectory, .clean: x
    case .noise: noise
    case .forward:
      schedule.qSample(x, timesteps: .init(repeating: step.timestep, count: x.dims[0]), noise: noise)
    }
  }

  // MARK: Distribution tdac

  /// Trajectories whose features decide the weights.
  private static let pilots = 16

  private func weights(
    _ calibration: Recipe.Calibration, _ steps: [Step], _ progress: ProgressHandler
  ) throws -> [Double]? {
    guard case .tdac(let radius, let diversity) = calibration.distribution else { return nil }
    guard let probe else { preconditionFailure("distribution tdac needs a probe") }
    let numbers = Array(0..<min(Self.pilots, calibration.trajectories))
    var features = [[Float]](repeating: [], count: steps.count)
    for start in stride(from: 0, to: numbers.count, by: batch) {
      let images = Array(numbers[start..<min(start + batch, numbers.count)])
      let conditioning = try calibration.conditioning(of: images, form: denoiser.conditioning)
      var loop = try SamplingLoop(
        denoiser: denoiser, schedule: schedule, sampler: sampler, images: images, conditioning: conditioning,
        noise: NoiseSource(seed: UInt64(calibration.seed), stream: .calibrate))
      while let state = try loop.next() {
        features[state.step.index] += try probe(state.x, state.step, conditioning).values
        try progress(
          WorkProgress(
            stage: "comparing the steps' features", unit: "steps",
            done: start * steps.count + images.count * loop.completed,
            total: numbers.count * steps.count))
      }
    }
    return StepImportance.weights(features: features, radius: radius, diversity: diversity)
  }
}
