import Diffusion
import Formats
import Tensors

/// A model's noise schedule as a command found it, with where it comes from.
package struct ModelSchedule: Sendable {
  package let process: DiffusionProcess
  /// The scheduler's file, when there is one, and what it says beyond the process.
  package let file: String?
  package let configuration: SchedulerConfiguration?
  /// What of the file is not used, and what options replaced in it: sentences for people.
  package let notes: [String]

  /// The schedule of a quantised model, which holds its own.
  package init(_ process: DiffusionProcess) {
    self.process = process
    file = nil
    configuration = nil
    notes = []
  }

  private static let shownKeys = 12

  /// - Parameters:
  ///   - file: the scheduler_config.json that was found with the model; nil when there is none.
  ///   - value: what the file says, where it says it in other words.
  ///   - options: replace the file, and single values of it. `--beta-schedule` alone makes a schedule without any file.
  /// - Returns: nil when nothing says which betas the model has.
  static func read(
    file found: String?, stating value: ConfigurationValue? = nil, options: ScheduleOptions
  ) throws -> ModelSchedule? {
    let file = options.file ?? found
    if file == nil, options.curve == nil { return nil }
    let stated = options.file == nil ? value : nil
    var value: ConfigurationValue = try stated ?? file.map { try JSON.read($0) } ?? ["_class_name": "DDPMScheduler"]
    var notes: [String] = []
    func replace(_ key: String, by text: String, _ new: ConfigurationValue?) {
      if let file, let old = value[key], old != .null, old != new {
        notes.append("\(printable(file)): \(key) \(old.shown) is replaced by \(text)")
      }
      value = value.setting(key, new)
    }
    for setting in options.settings {
      replace(setting.key, by: "\(setting.option) \(setting.value.shown)", setting.value)
      switch setting.key {
      // Given betas would win over the curve, and the old name of the prediction over the new one.
      case "beta_schedule", "beta_start", "beta_end": replace("trained_betas", by: setting.option, nil)
      case "prediction_type": replace("predict_epsilon", by: setting.option, nil)
      default: break
      }
    }
    let configuration = try SchedulerConfiguration.decode(value, file: file ?? "options of the command line")
    let schedule = configuration.process.schedule.definition
    if file == nil {
      notes.append(
        "noise schedule: \(schedule.trainTimesteps) timesteps, \(schedule.shown), predicts "
          + configuration.process.predictionType.rawValue)
    }
    if let file, !configuration.unused.isEmpty {
      let shown = configuration.unused.prefix(shownKeys).map { "\(printable($0.key)) \($0.value.shown)" }
      let more = configuration.unused.count - shown.count
      notes.append(
        "\(printable(file)): not used: \(shown.joined(separator: ", "))" + (more > 0 ? " and \(more) more keys" : ""))
    }
    return ModelSchedule(
      process: configuration.process, file: file, configuration: file == nil ? nil : configuration, notes: notes)
  }

  private init(process: DiffusionProcess, file: String?, configuration: SchedulerConfiguration?, notes: [String]) {
    self.process = process
    self.file = file
    self.configuration = configuration
    self.notes = notes
  }
}

extension BetaSchedule {
  /// The curve for people: `linear betas 0.0001 to 0.02`.
  var shown: String {
    let betas =
      switch curve {
      case .cosine: "\(curve.rawValue) betas"
      case .linear, .scaledLinear, .sigmoid: "\(curve.rawValue) betas \(start) to \(end)"
      }
    return (trainedBetas != nil ? "trained betas" : betas) + (rescaleToZeroSNR ? ", rescaled to zero SNR" : "")
      + (rescaleTimesteps ? ", times rescaled to 1000" : "")
  }
}
