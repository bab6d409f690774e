import Tensors

/// The schedulers whose configurations are read; values of `_class_name`.
package enum SchedulerClass: String, Sendable, CaseIterable {
  case ddpm = "DDPMScheduler"
  case ddim = "DDIMScheduler"
  /// Its own sampler (pseudo-numerical steps) is not offered; its schedule and its DDIM settings are.
  case pndm = "PNDMScheduler"
}

/// A diffusers `scheduler_config.json`: the model's process, and sampler settings to start from. Absent keys take diffusers'
/// defaults, as files leave them out.
package struct SchedulerConfiguration: Sendable {
  package let schedulerClass: SchedulerClass
  package let process: DiffusionProcess
  private let spacing: TimestepSpacing
  private let offset: Int
  private let bounds: CleanImageBounds
  private let setAlphaToOne: Bool
  private let varianceType: VarianceType

  /// - Parameter file: what messages name, usually the file's path.
  /// - Throws: every problem at once, keys that no scheduler of these classes has included.
  package static func decode(_ value: ConfigurationValue, file: String) throws(ConfigurationError) -> Self {
    let reader = ConfigurationReader(value, file: file)
    let configuration = Self(reading: reader)
    try reader.finish()
    guard let configuration else { preconditionFailure("a configuration that was not read left no problem") }
    return configuration
  }

  private init?(reading reader: ConfigurationReader) {
    reader.ignore("_diffusers_version")
    schedulerClass = reader.choice("_class_name")
    let process = DiffusionProcess(reading: reader, strict: false)
    let spacing: Spacing = reader.choice("timestep_spacing", default: .leading)
    self.spacing = spacing.value
    offset = reader.int("steps_offset", default: 0, in: 0...BetaSchedule.trainTimestepRange.upperBound)
    bounds = CleanImageBounds(reading: reader, default: .init(clip: schedulerClass != .pndm))
    setAlphaToOne = reader.bool("set_alpha_to_one", default: schedulerClass != .pndm)
    varianceType = reader.choice("variance_type", default: .fixedSmall)
    // How PNDM warms up; no other sampler has such a phase.
    if schedulerClass == .pndm { reader.ignore("skip_prk_steps") }
    guard let process else { return nil }
    self.process = process
  }

  /// The spacings diffusers has; uniform and quadratic are not among them.
  private enum Spacing: String, CaseIterable {
    case leading, trailing, linspace

    var value: TimestepSpacing {
      switch self {
      case .leading: .leading
      case .trailing: .trailing
      case .linspace: .linspace
      }
    }
  }

  /// The sampler that diffusers makes of this configuration, its deviations from the papers included: previous timesteps by
  /// stride in DDIM, noise in DDPM's last step when its timestep is above 0.
  /// - Parameters:
  ///   - name: `ddpm` or `ddim` to convert between them; nil for the configuration's own class.
  ///   - steps: S; nil for every training timestep.
  /// - Throws: `schedulerClass` when the class has no sampler here and none is named.
  package func sampler(named name: String? = nil, steps: Int? = nil) throws(DiffusionError) -> any Sampler {
    func selection(_ previous: PreviousTimestep) -> TimestepSelection {
      TimestepSelection(
        steps: steps ?? process.schedule.trainTimesteps, spacing: spacing,
        // diffusers ignores the offset for the other spacings.
        offset: TimestepSelection.takesOffset(spacing) ? offset : 0, previous: previous)
    }
    switch name ?? ownSampler {
    case DDPMSampler.name:
      return DDPMSampler(
        selection: selection(.list), varianceType: varianceType, noiseAtLastStep: true, bounds: bounds)
    case DDIMSampler.name:
      return DDIMSampler(selection: selection(.stride), bounds: bounds, setAlphaToOne: setAlphaToOne)
    default: throw .schedulerClass(found: schedulerClass.rawValue)
    }
  }

  private var ownSampler: String? {
    switch schedulerClass {
    case .ddpm: DDPMSampler.name
    case .ddim: DDIMSampler.name
    case .pndm: nil
    }
  }
}
