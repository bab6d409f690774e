import Tensors

/// What a user can get wrong about schedules, samplers and trajectories.
package enum DiffusionError: HalftoneError, Equatable {
  /// Values that define no noise schedule, one line each.
  case schedule([String])
  /// More sampling steps than the model has training timesteps.
  case tooManySteps(steps: Int, trainTimesteps: Int)
  /// A spacing and offset that leave the schedule.
  case timestepOutOfRange(timestep: Int, spacing: String, offset: Int, trainTimesteps: Int)
  /// No whole stride gives the number of timesteps that a respacing asks for; the nearest numbers that one gives.
  case noStride(steps: Int, trainTimesteps: Int, below: Int?, above: Int?)
  /// A respacing asks a section for more timesteps than it has.
  case sectionTooShort(respacing: String, section: Int, length: Int, steps: Int)
  /// Another number of steps is asked of a respacing with several sections.
  case respacingSections(respacing: String, steps: Int)
  /// The network predicts noise, and at this timestep x_t holds no signal to recover x_0 from.
  case noSignal(timestep: Timestep)
  /// A consistency model is asked for more steps than its distillation had.
  case distilledSteps(steps: Int, original: Int)
  /// A solver in noise levels would visit one twice, or go back to a noisier one.
  case repeatedLevel(timestep: Timestep)
  /// The solver works from epsilon whatever the network predicts, and at this timestep x_t holds no signal.
  case solverNeedsSignal(sampler: String, timestep: Timestep)
  /// Guidance is asked for, and the network takes no conditioning.
  case guidanceUnconditional
  /// A learned variance is asked for, and the network has none.
  case varianceNotLearned(VarianceType)
  case initialNoise(expected: [Int], found: [Int])
  case modelOutput(expected: [Int], found: [Int])
  /// A value that is not a number, or infinite, after a step.
  case notFinite(image: Int, step: Step)

  package var id: String {
    switch self {
    case .schedule: "E-SCHEDULE"
    case .tooManySteps, .distilledSteps: "E-SAMPLER-STEPS"
    case .timestepOutOfRange: "E-SAMPLER-TIMESTEP"
    case .noStride, .sectionTooShort, .respacingSections: "E-SAMPLER-RESPACING"
    case .repeatedLevel: "E-SAMPLER-LEVELS"
    case .noSignal, .solverNeedsSignal: "E-SAMPLER-ZERO-SNR"
    case .guidanceUnconditional: "E-GUIDANCE"
    case .varianceNotLearned: "E-SAMPLER-VARIANCE"
    case .initialNoise: "E-SAMPLE-INITIAL-NOISE"
    case .modelOutput: "E-SAMPLE-OUTPUT"
    case .notFinite: "E-SAMPLE-NOT-FINITE"
    }
  }

  package var exit: ExitStatus {
    switch self {
    case .tooManySteps, .distilledSteps, .timestepOutOfRange, .noStride, .sectionTooShort, .respacingSections,
      .repeatedLevel, .noSignal,
      .solverNeedsSignal, .guidanceUnconditional, .varianceNotLearned:
      .usage
    case .schedule, .initialNoise, .notFinite: .refusedInput
    case .modelOutput: .internalError
    }
  }

  package var message: String {
    switch self {
    case .schedule(let problems): "no noise schedule follows from these values\n  " + listed(problems)
    case .tooManySteps(let steps, let trainTimesteps):
      "steps: \(steps) sampling steps, but the model has \(trainTimesteps) training timesteps"
    case .timestepOutOfRange(let timestep, let spacing, let offset, let trainTimesteps):
      "timestep \(timestep) (timestep_spacing \(spacing), steps_offset \(offset)) is outside the model's "
        + "0..<\(trainTimesteps)"
    case .noStride(let steps, let trainTimesteps, _, _):
      "respacing: no whole stride takes exactly \(steps) of the model's \(trainTimesteps) training timesteps"
    case .sectionTooShort(let respacing, let section, let length, let steps):
      "respacing: section \(section) of \"\(respacing)\" has \(length) training timesteps, and \(steps) are asked of it"
    case .respacingSections(let respacing, let steps):
      "\(steps) steps are asked of respacing \"\(respacing)\", and which of its sections should have them is not said"
    case .noSignal(let timestep):
      "the model predicts epsilon, but at timestep \(timestep) x_t is pure noise (alphaBar is 0): x_0 is undefined there"
    case .distilledSteps(let steps, let original):
      "steps: \(steps) sampling steps, but the model was distilled for \(original) (original_inference_steps)"
    case .repeatedLevel(let timestep):
      "steps: the noise level of timestep \(timestep) does not lie below the one that is visited before it"
    case .solverNeedsSignal(let sampler, let timestep):
      "\(sampler) works from epsilon, but at timestep \(timestep) x_t is pure noise (alphaBar is 0): x_0 is undefined there"
    case .guidanceUnconditional:
      "guidance needs a network that is conditioned on something, and this one takes no conditioning"
    case .varianceNotLearned(let type):
      "variance_type: \(type.rawValue) needs a network that outputs a variance, and this one does not"
    case .initialNoise(let expected, let found): "initial noise has shape \(found), expected \(expected)"
    case .modelOutput(let expected, let found): "the network's output has shape \(found), expected \(expected)"
    case .notFinite(let image, let step):
      "image \(image) holds values that are not finite after step \(step.index) (timestep \(step.timestep))"
    }
  }

  package var hint: String? {
    switch self {
    case .tooManySteps(_, let trainTimesteps):
      "give at most \(trainTimesteps) steps (--steps \(trainTimesteps), or steps in the sampler's file)"
    case .timestepOutOfRange: "lower steps_offset or the number of steps"
    case .noStride(let steps, _, let below, let above):
      ([below, above].compactMap { $0 }.map { "\"ddim\($0)\"" } + ["\"\(steps)\" with a fractional stride"])
        .joined(separator: ", ") + " would do"
    case .sectionTooShort: "ask each section for at most its length"
    case .respacingSections: "write the counts of all sections in the sampler's respacing"
    case .noSignal: "start below this timestep (timestep_spacing leading or quadratic)"
    case .distilledSteps(_, let original): "give at most \(original) steps"
    case .repeatedLevel: "take fewer steps"
    case .solverNeedsSignal:
      "start below this timestep (timestep_spacing leading or quadratic), or take another sampler"
    case .guidanceUnconditional: "leave the guidance out"
    case .varianceNotLearned: "use fixed_small or fixed_large"
    case .notFinite: "check the weights, or clip x_0 (clip_sample: true)"
    case .schedule, .initialNoise, .modelOutput: nil
    }
  }
}
