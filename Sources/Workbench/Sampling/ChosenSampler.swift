import Diffusion
import Formats
import Quantization
import Tensors

/// What a command line says about the sampler of recipes.
package struct SamplerOptions: Sendable {
  /// A preset by name or path, or `own`.
  package var name: String?
  /// The same settings with another number of steps.
  package var steps: Int?

  package init(name: String? = nil, steps: Int? = nil) {
    self.name = name
    self.steps = steps
  }
}

/// The sampler that a command takes, and what it has to say about the choice.
package struct ChosenSampler: Sendable {
  package let sampler: any Sampler
  /// Which one was taken where none was named, and where it differs from what the model's own file says.
  package let notes: [String]

  /// The name that stands for the model's own sampler.
  package static let ownName = "own"
  /// The preset of models whose schedule comes without settings of a sampler.
  static let standardName = "ddim-50"
}

extension ModelSource {
  /// The sampler to use: the one chosen; else the model's own, for a quantised model the one it was calibrated for, for a
  /// float model the settings of its scheduler's file; else ddim-50.
  /// - Parameters:
  ///   - choice: a preset by name or path, `own`, or a sampler's keys.
  ///   - steps: the same settings with another number of steps.
  ///   - place: what messages call a sampler's keys.
  /// - Throws: `noOwnSampler`; `otherSteps` when per-step tables were made for other network calls than the sampler makes.
  package func sampler(
    _ choice: Recipe.SamplerChoice?, steps: Int? = nil, place: String = "sampler", assets: Assets
  ) throws -> ChosenSampler {
    let schedule = try schedule
    var notes: [String] = []
    var sampler: any Sampler
    switch choice {
    case .named(ChosenSampler.ownName):
      guard let own = try ownSampler(schedule, steps: steps) else { throw ModelSourceError.noOwnSampler(path: path) }
      sampler = own
    case .named(let name): sampler = try preset(name, assets: assets)
    case .inline(let keys): sampler = try SamplerCatalog.decode(keys, file: place)
    case nil:
      if let own = try ownSampler(schedule, steps: steps) {
        sampler = own
      } else {
        sampler = try preset(ChosenSampler.standardName, assets: assets)
      }
    }
    if let steps { sampler = try sampler.taking(steps: steps) }
    let plan = try sampler.plan(for: schedule.process)
    if let quantized, quantized.dependsOnStep {
      guard quantized.steps.makesSameCalls(as: plan.steps) else {
        throw ModelSourceError.otherSteps(path: path, calibrated: quantized.steps, asked: plan.steps)
      }
      if sampler.configuration != quantized.sampler {
        notes.append(
          "the model's tables were made with another sampler (\(Self.shown(quantized.sampler))); this one calls the network "
            + "at the same timesteps, so they are used")
      }
    }
    if choice == nil { notes.append(Self.note(sampler, plan.stepCount, quantized: quantized != nil, schedule.file)) }
    if let file = schedule.file, let differences = schedule.configuration?.differences(from: sampler),
      !differences.isEmpty
    {
      let shown = differences.map { "\($0.key) \($0.used.shown), not \($0.file.shown)" }
      notes.append("the sampler has other settings than \(printable(file)): \(shown.joined(separator: "; "))")
    }
    return ChosenSampler(sampler: sampler, notes: notes)
  }

  private static func shown(_ sampler: ConfigurationValue) -> String {
    if case .string(let name)? = sampler["sampler"] { printable(name) } else { "without a name" }
  }

  private func preset(_ name: String, assets: Assets) throws -> any Sampler {
    let file = try assets.path(.sampler, name)
    return try SamplerCatalog.decode(YAML.read(file), file: file)
  }

  private func ownSampler(_ schedule: ModelSchedule, steps: Int?) throws -> (any Sampler)? {
    if let quantized { return try SamplerCatalog.decode(quantized.sampler, file: path) }
    return schedule.configuration?.ownSampler(steps: steps)
  }

  private static func note(_ sampler: any Sampler, _ steps: Int, quantized: Bool, _ file: String?) -> String {
    let shown = "\(type(of: sampler).name), \(steps) steps"
    if quantized { return "taking the quantised model's own sampler: \(shown)" }
    guard let file else {
      return "taking sampler \(ChosenSampler.standardName): \(shown); the schedule comes without settings of a sampler"
    }
    return "taking the model's own sampler: \(shown), with the settings of \(printable(file))"
  }
}
