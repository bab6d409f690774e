import Diffusion

extension SchedulerConfiguration {
  /// The sampler that diffusers makes of a DDPM's or DDIM's configuration, its deviations from the papers included: previous
  /// timesteps by stride in DDIM, noise in DDPM's last step when its timestep is above 0.
  /// - Parameter steps: nil for every training timestep.
  func sampler(steps: Int? = nil) -> any Sampler {
    var own = ownSampler(steps: steps ?? process.schedule.trainTimesteps)
    if schedulerClass.name.hasPrefix("DDPM") {
      own.selection.previous = .list
      return DDPMSampler(
        selection: own.selection, varianceType: varianceType, noiseAtLastStep: true, bounds: own.bounds)
    }
    own.selection.previous = .stride
    return own
  }
}
