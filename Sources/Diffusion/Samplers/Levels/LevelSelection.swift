import Tensors

/// The noise levels of a sampler that solves in noise levels: its `steps`, `timestep_spacing`, `steps_offset`,
/// `sigma_schedule` and `final_sigmas_type` keys.
package struct LevelSelection: Sendable, Equatable {
  /// What S counts.
  package enum Family: Sendable {
    /// The levels that are visited: Euler, Heun.
    case points
    /// The ways between levels, the last of which is not visited: multistep solvers.
    case intervals

    var spacings: [LevelSpacing] {
      switch self {
      case .points: [.linspace, .leading, .trailing]
      case .intervals: LevelSpacing.allCases
      }
    }
    var schedules: [SigmaSchedule] {
      switch self {
      case .points: [.training, .karras, .exponential, .logLinear]
      case .intervals: [.training, .karras, .exponential, .luLambdas]
      }
    }
  }

  /// A level that a sampler visits, and the time that the network is told there, a fraction for some spacings.
  struct Visit {
    let time: Double
    let level: NoiseLevel
  }

  package let family: Family
  package var steps: Int
  package var spacing: LevelSpacing
  package var offset: Int
  package var schedule: SigmaSchedule
  package var final: FinalLevel

  package init(
    _ family: Family, steps: Int, spacing: LevelSpacing = .linspace, offset: Int = 0,
    schedule: SigmaSchedule = .training, final: FinalLevel = .zero
  ) {
    self.family = family
    self.steps = steps
    self.spacing = spacing
    self.offset = offset
    self.schedule = schedule
    self.final = final
  }

  /// The levels on a model's schedule, noisiest first, and the one that the last step leads to.
  /// - Parameter bound: timesteps whose logarithm of signal over noise is below it are left out; nil leaves out none.
  /// - Throws: `tooManySteps`, `timestepOutOfRange`, `repeatedLevel`.
  func visits(of schedule: NoiseSchedule, logSNRAbove bound: Double? = nil) throws(DiffusionError) -> (
    visits: [Visit], final: NoiseLevel
  ) {
    let total = schedule.trainTimesteps
    guard steps <= total else { throw .tooManySteps(steps: steps, trainTimesteps: total) }
    let continuous = ContinuousSchedule(schedule)
    let smallest = NoiseLevel(sigma: continuous.sigmas[0])
    let end = final == .zero ? NoiseLevel.clean : smallest
    if spacing.isContinuous {
      let visits = continuousVisits(continuous)
      try Self.check(visits.map(\.level), of: visits)
      // The interval that ends at 0 is the last; to be rid of the noise left there takes one more call.
      guard final == .zero else { return (Array(visits.dropLast()), smallest) }
      return (visits, .clean)
    }
    let noisy = bound.map { continuous.timesteps(belowLogSNR: $0) } ?? 0
    let times = times(total: total, last: total - min(noisy, total - 1))
    for time in [times[0], times[times.count - 1]] where !(0...Double(total - 1)).contains(time) {
      throw .timestepOutOfRange(
        timestep: Int(time), spacing: spacing.rawValue, offset: offset, trainTimesteps: total)
    }
    let (visits, last) = visits(at: times, continuous, end: end)
    try Self.check(visits.map(\.level), of: visits)
    return (visits, last)
  }

  /// A solver divides by the distance of neighbouring levels.
  private static func check(_ levels: [NoiseLevel], of visits: [Visit]) throws(DiffusionError) {
    for index in levels.indices.dropFirst() where !(levels[index].sigma < levels[index - 1].sigma) {
      throw .repeatedLevel(timestep: Timestep(visits[index].time))
    }
  }

  /// The sigmas at the times of the spacing, or those that the schedule of sigmas puts in their place, with their times.
  private func visits(at times: [Double], _ continuous: ContinuousSchedule, end: NoiseLevel) -> ([Visit], NoiseLevel) {
    func visit(_ time: Double, _ sigma: Double) -> Visit { Visit(time: time, level: NoiseLevel(sigma: sigma)) }
    let (noisiest, cleanest): (Double, Double) =
      switch family {
      case .points: (continuous.sigma(at: times[0]), continuous.sigma(at: times[times.count - 1]))
      case .intervals: (continuous.sigmas[continuous.lastTimestep], continuous.sigmas[0])
      }
    switch schedule {
    case .training: return (times.map { visit($0, continuous.sigma(at: $0)) }, end)
    case .logLinear:
      let whole = (continuous.sigmas[continuous.lastTimestep], continuous.sigmas[0])
      let sigmas = schedule.levels(from: whole.0, to: whole.1, count: steps + 1)
      return (zip(times, sigmas).map { visit($0, $1) }, NoiseLevel(sigma: sigmas[steps]))
    case .karras, .exponential, .luLambdas:
      let sigmas = schedule.levels(from: noisiest, to: cleanest, count: steps)
      return (sigmas.map { visit(time(ofSigma: $0, continuous), $0) }, end)
    }
  }

  /// The time that the network is told at a level that is none of the schedule's.
  private func time(ofSigma sigma: Double, _ continuous: ContinuousSchedule) -> Double {
    let time = continuous.time(ofSigma: sigma)
    switch (family, schedule) {
    case (.points, _): return time
    // diffusers cuts the fraction off, and its Float32 logarithms leave the noisiest level just short of its own timestep.
    case (.intervals, .exponential): return max(0, (time - 1e-6).rounded(.down))
    case (.intervals, _): return time.rounded(.toNearestOrEven)
    }
  }

  /// The times of the spacing, falling; `last` counts the timesteps that may be taken.
  private func times(total: Int, last: Int) -> [Double] {
    let difference = (Double(total) - Double(total) / Double(steps)) - Double(total)
    switch (spacing, family) {
    case (.trailing, _):
      return (0..<steps).map { (Double(last) + Double($0) * difference).rounded(.toNearestOrEven) - 1 }
        .filter { $0 >= 0 }
    case (.leading, .points): return (0..<steps).reversed().map { Double($0 * (last / steps) + offset) }
    case (.leading, .intervals):
      return (1...steps).reversed().map { Double($0 * (last / (steps + 1)) + offset) }
    case (_, .points):
      return TimestepSelection.evenlySpaced(through: Double(last - 1), count: steps).reversed()
        .map { Double(Float($0)) }
    case (_, .intervals):
      return TimestepSelection.evenlySpaced(through: Double(last - 1), count: steps + 1).dropFirst().reversed()
        .map { $0.rounded(.toNearestOrEven) }
    }
  }

  /// S + 1 points from T - 1 to 0, fractions kept.
  private func continuousVisits(_ continuous: ContinuousSchedule) -> [Visit] {
    let last = Double(continuous.lastTimestep)
    return (0...steps).map { index in
      let fraction = Double(index) / Double(steps)
      let time: Double
      switch spacing {
      case .logSNR:
        let (largest, smallest) = (continuous.sigmas[continuous.lastTimestep], continuous.sigmas[0])
        let level = NoiseLevel(
          sigma: PortableMath.exp(
            (1 - fraction) * PortableMath.log(largest) + fraction * PortableMath.log(smallest)))
        return Visit(time: continuous.logLinearTime(of: level), level: level)
      case .timeQuadratic:
        let root = (1 - fraction) * (last + 1).squareRoot() + fraction
        time = min(max(root * root - 1, 0), last)
      case .linspace, .leading, .trailing, .timeUniform: time = (1 - fraction) * last
      }
      return Visit(time: time, level: continuous.logLinearLevel(at: time))
    }
  }
}

extension LevelSelection {
  init(_ family: Family, reading reader: ConfigurationReader) {
    let range = BetaSchedule.trainTimestepRange
    self.init(
      family, steps: reader.int("steps", in: range), spacing: reader.choice("timestep_spacing"),
      offset: reader.int("steps_offset", in: 0...range.upperBound), schedule: reader.choice("sigma_schedule"),
      final: reader.choice("final_sigmas_type"))
    if !family.spacings.contains(spacing) {
      let legal = family.spacings.map(\.rawValue).joined(separator: ", ")
      reader.report("timestep_spacing", "expected one of \(legal) for this sampler, found \"\(spacing.rawValue)\"")
    }
    if !family.schedules.contains(schedule) {
      let legal = family.schedules.map(\.rawValue).joined(separator: ", ")
      reader.report("sigma_schedule", "expected one of \(legal) for this sampler, found \"\(schedule.rawValue)\"")
    } else if family == .intervals, schedule != .training, spacing != .linspace {
      reader.report(
        "timestep_spacing",
        "must be linspace with sigma_schedule \(schedule.rawValue), whose levels run over the whole schedule, found "
          + spacing.rawValue)
    } else if schedule == .logLinear, final != .smallest {
      reader.report("final_sigmas_type", "must be sigma_min with sigma_schedule log_linear, which ends there")
    }
    if offset != 0, spacing != .leading {
      reader.report("steps_offset", "must be 0 with timestep_spacing \(spacing.rawValue), found \(offset)")
    }
  }

  var entries: [ConfigurationValue.Entry] {
    [
      .init("steps", .integer(steps)),
      .init("timestep_spacing", .string(spacing.rawValue)),
      .init("steps_offset", .integer(offset)),
      .init("sigma_schedule", .string(schedule.rawValue)),
      .init("final_sigmas_type", .string(final.rawValue)),
    ]
  }
}
