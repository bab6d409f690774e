import Tensors

/// Which of the T training timesteps a sampler visits.
package enum TimestepSpacing: String, Sendable, CaseIterable {
  /// i (T div S), i < S: always S steps, never the noisiest timestep (Ho et al. 2020 with S = T; diffusers).
  case leading
  /// round(T - i T / S) - 1, i < S: starts at T - 1 (Lin et al. 2024, table 2).
  case trailing
  /// round(i (T - 1) / (S - 1)), i < S: both ends (Nichol and Dhariwal 2021).
  case linspace
  /// 0, c, 2 c, … below T with c = T div S: more than S steps when S does not divide T (S = 30 of 1000 gives 31)
  /// (Song et al. 2021, released code).
  case uniform
  /// trunc((i sqrt(0.8 T) / (S - 1))^2), i < S: dense near the clean end, starts at 0.8 T; small timesteps may repeat
  /// (Song et al. 2021, appendix D.3).
  case quadratic
}

/// Which timestep a step leads to.
package enum PreviousTimestep: String, Sendable, CaseIterable {
  /// The next one that the sampler visits.
  case list
  /// t - T div S, whatever the spacing: what diffusers' DDIM does. Equal to `list` for leading spacing; elsewhere a known
  /// defect of that code, kept for imported configurations.
  case stride
}

/// The timesteps of a sampler: its `steps`, `timestep_spacing`, `steps_offset` and `previous_timestep` keys, or `respacing` in
/// their place.
package struct TimestepSelection: Sendable, Equatable {
  /// What says all of it, where it is given; the other properties then are its number of steps and the standard values.
  package let respacing: Respacing?
  /// S, the number of steps asked for; see `TimestepSpacing.uniform` for where the number taken differs.
  package var steps: Int
  package var spacing: TimestepSpacing
  /// Added to every timestep of leading, uniform and quadratic spacing (1 in latent diffusion).
  package var offset: Int
  package var previous: PreviousTimestep

  package init(
    steps: Int, spacing: TimestepSpacing = .leading, offset: Int = 0, previous: PreviousTimestep = .list
  ) {
    respacing = nil
    self.steps = steps
    self.spacing = spacing
    self.offset = offset
    self.previous = previous
  }

  package init(respacing: Respacing) {
    self.respacing = respacing
    steps = respacing.steps
    spacing = .leading
    offset = 0
    previous = .list
  }

  /// The same rule with another number of steps.
  func taking(steps: Int) throws(DiffusionError) -> TimestepSelection {
    if let respacing { return TimestepSelection(respacing: try respacing.taking(steps: steps)) }
    var changed = self
    changed.steps = steps
    return changed
  }

  /// Steps in execution order, noisiest first.
  /// - Throws: `tooManySteps`, `timestepOutOfRange`, `noStride`, `sectionTooShort`.
  package func steps(trainTimesteps: Int) throws(DiffusionError) -> [Step] {
    guard steps <= trainTimesteps else { throw .tooManySteps(steps: steps, trainTimesteps: trainTimesteps) }
    let timesteps =
      try respacing?.timesteps(trainTimesteps: trainTimesteps).reversed() ?? timesteps(trainTimesteps: trainTimesteps)
    // Descending, so the first is the largest and the last the smallest.
    for timestep in [timesteps[0], timesteps[timesteps.count - 1]] where !(0..<trainTimesteps).contains(timestep) {
      throw .timestepOutOfRange(
        timestep: timestep, spacing: spacing.rawValue, offset: offset, trainTimesteps: trainTimesteps)
    }
    return timesteps.indices.map { index in
      let previousTimestep: Int? =
        switch previous {
        case .list: index + 1 < timesteps.count ? timesteps[index + 1] : nil
        case .stride: timesteps[index] - trainTimesteps / steps
        }
      return Step(
        index: index, timestep: Timestep(timesteps[index]),
        previous: previousTimestep.flatMap { $0 >= 0 ? Timestep($0) : nil })
    }
  }

  /// Descending. Each formula rounds as the code it stands for, so that lists agree with it to the last entry.
  private func timesteps(trainTimesteps: Int) -> [Int] {
    let all = Double(trainTimesteps)
    switch spacing {
    case .leading: return (0..<steps).reversed().map { $0 * (trainTimesteps / steps) + offset }
    case .trailing:
      // numpy's arange(T, 0, -T / S), which forms the difference of its first two values; its extra last value 0, which
      // rounding lets appear for some S, would be timestep -1 and is left out.
      let difference = (all - all / Double(steps)) - all
      return (0..<steps).map { Int((all + Double($0) * difference).rounded(.toNearestOrEven)) - 1 }
    case .linspace:
      return Self.evenlySpaced(through: all - 1, count: steps).reversed().map { Int($0.rounded(.toNearestOrEven)) }
    case .uniform:
      return stride(from: 0, to: trainTimesteps, by: trainTimesteps / steps).reversed().map { $0 + offset }
    case .quadratic:
      return Self.evenlySpaced(through: (all * 0.8).squareRoot(), count: steps).reversed().map { Int($0 * $0) + offset }
    }
  }

  /// numpy's linspace(0, last, count): multiples of the rounded quotient, the end point exact; a count of 1 gives 0.
  static func evenlySpaced(through last: Double, count: Int) -> [Double] {
    guard count > 1 else { return [0] }
    let step = last / Double(count - 1)
    return (0..<count - 1).map { Double($0) * step } + [last]
  }
}

extension TimestepSelection {
  private static let ownKeys = ["steps", "timestep_spacing", "steps_offset", "previous_timestep"]

  init(reading reader: ConfigurationReader) {
    if let respacing = Respacing(reading: reader) {
      for key in Self.ownKeys where reader.value(key) != nil {
        reader.report(key, "stands beside respacing, which says which timesteps are taken; leave one of them out")
      }
      self.init(respacing: respacing)
      return
    }
    // A respacing that could not be read is reported already, and stands in their place.
    if reader.value("respacing") != nil, reader.value("respacing") != .null {
      Self.ownKeys.forEach { reader.ignore($0) }
      self.init(steps: 1)
      return
    }
    let range = BetaSchedule.trainTimestepRange
    self.init(
      steps: reader.int("steps", in: range), spacing: reader.choice("timestep_spacing"),
      offset: reader.int("steps_offset", in: 0...range.upperBound), previous: reader.choice("previous_timestep"))
    if offset != 0 && !Self.takesOffset(spacing) {
      reader.report("steps_offset", "must be 0 with timestep_spacing \(spacing.rawValue), found \(offset)")
    }
  }

  /// Whether `steps_offset` means something: trailing and linspace fix their ends themselves.
  static func takesOffset(_ spacing: TimestepSpacing) -> Bool {
    switch spacing {
    case .leading, .uniform, .quadratic: true
    case .trailing, .linspace: false
    }
  }

  var entries: [ConfigurationValue.Entry] {
    if let respacing { return [.init("respacing", .string(respacing.text))] }
    return [
      .init("steps", .integer(steps)),
      .init("timestep_spacing", .string(spacing.rawValue)),
      .init("steps_offset", .integer(offset)),
      .init("previous_timestep", .string(previous.rawValue)),
    ]
  }
}
