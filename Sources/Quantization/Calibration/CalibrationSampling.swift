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

  package init(
    denoiser: any Denoiser, schedule: NoiseSchedule, sampler: any Sampler, modelDigest: String, batch: Int
  ) {
    precondition(batch > 0)
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
      modelDigest: modelDigest, imageShape: denoiser.imageShape, classCount: denoiser.classCount,
      sampler: sampler.configuration, steps: try sampler.steps(for: process), calibration: calibration)
  }

  /// Samples the trajectories and hands every kept state to `sink`. Noise: `calibration.seed`, calibration stream,
  /// trajectory number as image index.
  package func run(
    _ calibration: Recipe.Calibration, into sink: any CalibrationSink, progress: ProgressHandler
  ) throws {
    let provenance = try provenance(calibration)
    let plan = CalibrationPlan(calibration, stepCount: provenance.steps.count)
    let noise = NoiseSource(seed: UInt64(calibration.seed), stream: .calibrate)
    let batches = plan.batches(of: batch)
    let total = batches.reduce(0) { $0 + $1.lastPosition * $1.trajectories.count }
    var done = 0
    // Refuse labels before the first network call.
    _ = try calibration.labels(of: [0], classCount: denoiser.classCount)
    try sink.begin(provenance, counts: plan.counts)
    for batch in batches {
      let labels = try calibration.labels(of: batch.trajectories, classCount: denoiser.classCount)
      var loop = try SamplingLoop(
        denoiser: denoiser, schedule: schedule, sampler: sampler, images: batch.trajectories, labels: labels,
        noise: noise)
      for position in 0...batch.lastPosition {
        if let rows = batch.rows[position] {
          try sink.append(
            CalibrationSamples(
              step: calibration.step(at: position, stepCount: plan.stepCount),
              trajectories: Array(batch.trajectories[rows]), x: loop.x.rows(rows),
              labels: labels.map { Array($0[rows]) }))
        }
        guard position < batch.lastPosition else { break }
        _ = try loop.next()
        done += batch.trajectories.count
        try progress(WorkProgress(stage: "sampling calibration trajectories", unit: "steps", done: done, total: total))
      }
    }
  }
}
