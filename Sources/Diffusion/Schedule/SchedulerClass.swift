import Tensors

/// A scheduler of diffusers whose configuration is read: its name, and what keys mean that its file leaves out. Whatever
/// solver the class is, its file states a noise schedule by betas, and that is the model's; the solver itself is not used.
package struct SchedulerClass: Sendable, Equatable {
  /// The value of `_class_name`.
  package let name: String
  /// Meaning of an absent `clip_sample`: classes that never clip say nothing about it.
  let clips: Bool
  let spacing: TimestepSpacing
  let setAlphaToOne: Bool
  let betas: BetaSchedule

  private init(
    _ name: String, clips: Bool = false, spacing: TimestepSpacing = .leading,
    setAlphaToOne: Bool = true, betas: BetaSchedule = BetaSchedule()
  ) {
    self.name = name
    self.clips = clips
    self.spacing = spacing
    self.setAlphaToOne = setAlphaToOne
    self.betas = betas
  }

  /// Solvers in terms of noise levels.
  private static func solver(_ name: String, betas: BetaSchedule = BetaSchedule()) -> SchedulerClass {
    SchedulerClass(name, spacing: .linspace, betas: betas)
  }

  private static let latent = BetaSchedule(curve: .scaledLinear, start: 0.00085, end: 0.012)
  private static let latentLinear = BetaSchedule(start: 0.00085, end: 0.012)

  package static let all: [SchedulerClass] = [
    SchedulerClass("DDPMScheduler", clips: true),
    SchedulerClass("DDPMParallelScheduler", clips: true),
    SchedulerClass("DDIMScheduler", clips: true),
    SchedulerClass("DDIMParallelScheduler", clips: true),
    SchedulerClass("DDIMInverseScheduler", clips: true),
    SchedulerClass("RePaintScheduler", clips: true),
    SchedulerClass("PNDMScheduler", setAlphaToOne: false),
    SchedulerClass("LCMScheduler", betas: latent),
    SchedulerClass("TCDScheduler", betas: latent),
    solver("EulerDiscreteScheduler"),
    solver("EulerAncestralDiscreteScheduler"),
    solver("LMSDiscreteScheduler"),
    solver("HeunDiscreteScheduler", betas: latentLinear),
    solver("KDPM2DiscreteScheduler", betas: latentLinear),
    solver("KDPM2AncestralDiscreteScheduler", betas: latentLinear),
    solver("DPMSolverMultistepScheduler"),
    solver("DPMSolverMultistepInverseScheduler"),
    solver("DPMSolverSinglestepScheduler"),
    solver("DPMSolverSDEScheduler", betas: latentLinear),
    solver("DEISMultistepScheduler"),
    solver("UniPCMultistepScheduler"),
    solver("SASolverScheduler"),
  ]

  /// Classes whose process has no betas, and what it has instead.
  private static let otherProcesses: [(names: [String], process: String)] = [
    (
      ["FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler", "FlowMatchLCMScheduler"],
      "flow matching, a straight path between noise and image"
    ),
    (
      [
        "EDMEulerScheduler", "EDMDPMSolverMultistepScheduler", "CosineDPMSolverMultistepScheduler",
        "CMStochasticIterativeScheduler",
      ],
      "continuous noise levels with a preconditioned network (EDM)"
    ),
    (["ScoreSdeVeScheduler", "KarrasVeScheduler"], "a variance that explodes (VE), noise added to an unscaled image"),
    (
      ["ScoreSdeVpScheduler", "IPNDMScheduler", "DDPMWuerstchenScheduler"],
      "a curve over continuous time of its own"
    ),
    (["VQDiffusionScheduler", "AmusedScheduler"], "discrete codes instead of noise"),
    (["CogVideoXDDIMScheduler", "CogVideoXDPMScheduler"], "a shifted signal-to-noise ratio"),
  ]

  /// Reads `_class_name`. A class that is not known here is taken as a solver where the file states betas: its schedule is
  /// then read from them.
  /// - Returns: nil when the class has been reported.
  static func read(_ reader: ConfigurationReader) -> SchedulerClass? {
    let key = "_class_name"
    guard let value = reader.value(key), value != .null else {
      reader.report(key, "missing; expected the name of a diffusers scheduler, such as DDPMScheduler")
      return nil
    }
    guard case .string(let name) = value else {
      reader.report(key, "expected the name of a diffusers scheduler, found \(value.shown)")
      return nil
    }
    if let known = all.first(where: { $0.name == name }) { return known }
    let expected = "expected a scheduler with a schedule of betas"
    if let other = otherProcesses.first(where: { $0.names.contains(name) }) {
      reader.report(key, "\(expected), found \(value.shown), whose process is another: \(other.process)")
      return nil
    }
    if let near = nearest(name, in: all.map(\.name)) {
      reader.report(key, "\(expected), found \(value.shown) (did you mean \"\(near)\"?)")
      return nil
    }
    guard reader.keys.contains("beta_schedule") || reader.keys.contains("trained_betas") else {
      reader.report(key, "\(expected), found \(value.shown), which is not known, and the file states no betas")
      return nil
    }
    return solver(name)
  }
}
