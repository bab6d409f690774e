import Diffusion
import Tensors

/// What `inspect` says of a model's noise schedule and of the sampler settings that come with it.
struct ScheduleDescription {
  private let schedule: ModelSchedule?
  /// Why there is none, for a command that needs one.
  private let problem: (any Error)?

  init(_ source: ModelSource) {
    do {
      schedule = try source.schedule
      problem = nil
    } catch {
      schedule = nil
      problem = error
    }
  }

  // MARK: For machines

  var entries: [ConfigurationValue.Entry] {
    [.init("process", schedule?.process.configuration ?? .null), .init("schedule", value)]
  }

  private var value: ConfigurationValue {
    let configuration = schedule?.configuration
    return [
      "file": schedule?.file.map { .string($0) } ?? .null,
      "scheduler_class": configuration.map { .string($0.schedulerClass.name) } ?? .null,
      "variance_type": configuration.map { .string($0.varianceType.rawValue) } ?? .null,
      "own_sampler": configuration?.ownSampler().configuration ?? .null,
      "unused": .list(configuration?.unused.map { .string($0.key) } ?? []),
      "notes": .list(schedule?.notes.map { .string($0) } ?? []),
      "problem": problem.map { .string(Self.text(of: $0)) } ?? .null,
    ]
  }

  // MARK: For people

  var lines: [String] {
    guard let schedule else { return ["process: unknown; \(problem.map(Self.text) ?? "")"] }
    let definition = schedule.process.schedule.definition
    var lines = [
      "process: \(definition.trainTimesteps) timesteps, \(definition.shown), predicts "
        + schedule.process.predictionType.rawValue
    ]
    if let configuration = schedule.configuration, let file = schedule.file {
      lines += [
        "scheduler: \(configuration.schedulerClass.name), variance type \(configuration.varianceType.rawValue), of "
          + printable(file),
        "own sampler: \(Self.text(of: configuration.ownSampler()))",
      ]
    }
    return lines + schedule.notes.map { "note: \($0)" }
  }

  private static func text(of sampler: DDIMSampler) -> String {
    sampler.configuration.entries.map { "\($0.key) \($0.value.text)" }.joined(separator: ", ")
  }

  private static func text(of error: any Error) -> String {
    guard let error = error as? any HalftoneError else { return "\(error)" }
    return error.message + (error.hint.map { "; \($0)" } ?? "")
  }
}

extension ConfigurationValue {
  /// The entries of a map; none of another value.
  fileprivate var entries: [Entry] { if case .map(let entries) = self { entries } else { [] } }
  /// As it is shown, strings without quotes.
  fileprivate var text: String { if case .string(let text) = self { printable(text) } else { shown } }
}
