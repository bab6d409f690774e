import Tensors

/// A diffusers `scheduler_config.json`: the model's process, and settings of samplers that belong to the model. Absent keys
/// take the defaults of the class that the file names, as files leave them out.
package struct SchedulerConfiguration: Sendable {
  package let schedulerClass: SchedulerClass
  package let process: DiffusionProcess
  /// The file's keys that nothing here uses, in its order, with their values: those of other solvers, of old versions, and of
  /// other programs.
  package let unused: [ConfigurationValue.Entry]
  package let varianceType: VarianceType
  private let spacing: TimestepSpacing
  private let offset: Int
  private let bounds: CleanImageBounds
  private let setAlphaToOne: Bool
  /// Whether DDIM goes on with the noise that leads to the clipped image. In diffusers it is an argument of a step; files of
  /// families whose own DDIM does so say it by the argument's name.
  private let recomputesEpsilon: Bool

  /// Steps of the model's own sampler, where the model has as many timesteps.
  package static let ownSteps = 50

  /// - Parameter file: what messages name, usually the file's path.
  /// - Throws: every problem at once: values that cannot be, keys near a known one that were surely meant to be it, and
  ///   settings that make the process another than one of betas.
  package static func decode(_ value: ConfigurationValue, file: String) throws(ConfigurationError) -> Self {
    let reader = ConfigurationReader(value, file: file)
    let configuration = Self(reading: reader)
    try reader.finish()
    guard let configuration else { preconditionFailure("a configuration that was not read left no problem") }
    return configuration
  }

  private init?(reading reader: ConfigurationReader) {
    let found = SchedulerClass.read(reader)
    // Without its class, the other keys are still checked, against the plainest one.
    let schedulerClass = found ?? SchedulerClass.all[0]
    let process = DiffusionProcess(reading: reader, strict: false, standard: schedulerClass.betas)
    let spacing: Spacing = reader.choice("timestep_spacing", default: Spacing(schedulerClass.spacing))
    let offset = reader.int("steps_offset", default: 0, in: 0...BetaSchedule.trainTimestepRange.upperBound)
    bounds = CleanImageBounds(reading: reader, default: .init(clip: schedulerClass.clips))
    setAlphaToOne = reader.bool("set_alpha_to_one", default: schedulerClass.setAlphaToOne)
    recomputesEpsilon = reader.bool("use_clipped_model_output", default: false)
    varianceType = reader.choice("variance_type", default: .fixedSmall)
    let prediction = Self.oldPrediction(reader, process?.predictionType)
    Self.reportOtherProcess(reader)

    self.schedulerClass = schedulerClass
    self.spacing = spacing.value
    // diffusers ignores the offset for the other spacings.
    let takesOffset = TimestepSelection.takesOffset(spacing.value)
    self.offset = takesOffset ? offset : 0
    var unused = reader.unusedEntries(mistakable: ForeignSchedulerKeys.names)
    if !takesOffset, offset != 0 { unused.append(.init("steps_offset", .integer(offset))) }
    self.unused = unused
    guard found != nil, let process, let prediction else { return nil }
    self.process = DiffusionProcess(schedule: process.schedule, predictionType: prediction)
  }

  /// The first versions of diffusers say `predict_epsilon` for what `prediction_type` says now.
  private static func oldPrediction(_ reader: ConfigurationReader, _ current: PredictionType?) -> PredictionType? {
    guard let value = reader.value("predict_epsilon"), value != .null else { return current }
    let old: PredictionType = reader.bool("predict_epsilon", default: true) ? .epsilon : .sample
    if reader.keys.contains("prediction_type"), let current, current != old {
      reader.report(
        "predict_epsilon", "\(value.shown) contradicts prediction_type \"\(current.rawValue)\"; leave one of them out")
    }
    return old
  }

  /// Settings under which a class that usually has betas has another process.
  private static func reportOtherProcess(_ reader: ConfigurationReader) {
    if reader.value("use_flow_sigmas") == .bool(true) {
      reader.report("use_flow_sigmas", "true makes the process flow matching, which has no betas")
    }
    if reader.value("timestep_type") == "continuous", reader.value("prediction_type") == "v_prediction" {
      reader.report("timestep_type", "\"continuous\" hands the network noise levels instead of timesteps (EDM)")
    }
    reader.forget("use_flow_sigmas", "timestep_type")
  }

  /// The spacings diffusers has; uniform and quadratic are not among them.
  private enum Spacing: String, CaseIterable {
    case leading, trailing, linspace

    init(_ spacing: TimestepSpacing) { self = Self(rawValue: spacing.rawValue) ?? .leading }

    var value: TimestepSpacing {
      switch self {
      case .leading: .leading
      case .trailing: .trailing
      case .linspace: .linspace
      }
    }
  }

  /// The model's own sampler, whatever solver its file names: DDIM without noise, with the file's clipping, thresholding,
  /// spacing, offset and end, and epsilon recomputed where its family does so. Where the stride leads to the list's
  /// timesteps, as with leading spacing, it says `list`: the same steps have one name.
  /// - Parameter steps: S; nil for `ownSteps`, or every timestep of a model that has fewer.
  package func ownSampler(steps: Int? = nil) -> DDIMSampler {
    let total = process.schedule.trainTimesteps
    let steps = steps ?? min(Self.ownSteps, total)
    let list = selection(steps, .list)
    let stride = selection(steps, .stride)
    let same = (try? list.steps(trainTimesteps: total)) == (try? stride.steps(trainTimesteps: total))
    return DDIMSampler(
      selection: same ? list : stride, bounds: bounds, recomputeEpsilon: recomputesEpsilon,
      setAlphaToOne: setAlphaToOne)
  }

  private func selection(_ steps: Int, _ previous: PreviousTimestep) -> TimestepSelection {
    TimestepSelection(steps: steps, spacing: spacing, offset: offset, previous: previous)
  }

  /// Where `sampler` has other settings than this file says: key, the file's value, the sampler's. What only the sampler can
  /// say, and its number of steps, is left out.
  package func differences(from sampler: any Sampler) -> [(
    key: String, file: ConfigurationValue, used: ConfigurationValue
  )] {
    var choosing = ["sampler", "steps", "respacing", "previous_timestep", "eta", "noise_at_last_step"]
    if !recomputesEpsilon { choosing.append("recompute_epsilon") }
    let own: any Sampler =
      type(of: sampler) == DDPMSampler.self
      ? DDPMSampler(selection: selection(1, .list), varianceType: varianceType, bounds: bounds) : ownSampler(steps: 1)
    return own.entries.compactMap { entry in
      guard !choosing.contains(entry.key), let used = sampler.configuration[entry.key], used != entry.value else {
        return nil
      }
      return (entry.key, entry.value, used)
    }
  }
}
