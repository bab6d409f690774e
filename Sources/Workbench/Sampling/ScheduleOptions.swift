import Diffusion
import Tensors

/// How betas follow from two numbers.
package typealias ScheduleCurve = BetaCurve

/// What a network's output means.
package typealias NetworkPrediction = PredictionType

/// What a command line says about a float model's noise schedule.
package struct ScheduleOptions: Sendable {
  /// A scheduler_config.json to use instead of the folder's own.
  package var file: String?
  package var curve: BetaCurve?
  package var start: Double?
  package var end: Double?
  package var trainTimesteps: Int?
  package var predictionType: PredictionType?
  /// Whether the network counts time from 0 to 1000 whatever the number of timesteps.
  package var rescalesTimesteps: Bool

  package init(
    file: String? = nil, curve: BetaCurve? = nil, start: Double? = nil, end: Double? = nil, trainTimesteps: Int? = nil,
    predictionType: PredictionType? = nil, rescalesTimesteps: Bool = false
  ) {
    self.file = file
    self.curve = curve
    self.start = start
    self.end = end
    self.trainTimesteps = trainTimesteps
    self.predictionType = predictionType
    self.rescalesTimesteps = rescalesTimesteps
  }

  /// What numbers of timesteps and steps may be.
  package static let timestepRange = BetaSchedule.trainTimestepRange

  /// A curve by its name in scheduler files, or `cosine` for the one that they call squaredcos_cap_v2.
  package static func curve(named name: String) -> ScheduleCurve? {
    name == "cosine" ? .cosine : ScheduleCurve(rawValue: name)
  }

  /// One value, with the option that gives it and the key of a scheduler's file that it stands for.
  struct Setting {
    let option: String
    let key: String
    let value: ConfigurationValue
  }

  /// The options that give single values.
  var settings: [Setting] {
    var found: [Setting] = []
    func add(_ option: String, _ key: String, _ value: ConfigurationValue?) {
      if let value { found.append(Setting(option: option, key: key, value: value)) }
    }
    add("--beta-schedule", "beta_schedule", curve.map { .string($0.rawValue) })
    add("--beta-start", "beta_start", start.map { .number($0) })
    add("--beta-end", "beta_end", end.map { .number($0) })
    add("--train-timesteps", "num_train_timesteps", trainTimesteps.map { .integer($0) })
    add("--prediction-type", "prediction_type", predictionType.map { .string($0.rawValue) })
    add("--rescale-timesteps", "rescale_timesteps", rescalesTimesteps ? true : nil)
    return found
  }

  /// The names of all options that are given.
  var given: [String] { (file == nil ? [] : ["--scheduler"]) + settings.map(\.option) }
}
