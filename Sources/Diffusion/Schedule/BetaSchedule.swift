import Tensors

/// How the noise variances of the forward process follow from two numbers; names as diffusers' `beta_schedule`.
package enum BetaCurve: String, Sendable, CaseIterable {
  /// Evenly spaced from start to end (Ho et al. 2020, section 4).
  case linear
  /// Square roots evenly spaced (Rombach et al. 2022; called "linear" in that code).
  case scaledLinear = "scaled_linear"
  /// From alphaBar(t) = cos^2 ((t + 0.008) / 1.008 pi / 2), betas at most 0.999 (Nichol and Dhariwal 2021, equation 17).
  /// Start and end are not used.
  case cosine = "squaredcos_cap_v2"
  /// Logistic curve over -6...6, scaled to run from near start to near end (Xu et al. 2022, GeoDiff).
  case sigmoid
}

/// Everything that determines a noise schedule: what `scheduler_config.json` says and what an artefact stores.
package struct BetaSchedule: Sendable, Equatable {
  /// Bound on T: a schedule is two arrays of T Doubles, and no published model has more than 4000 timesteps.
  package static let trainTimestepRange = 1...100_000

  /// T, the number of training timesteps.
  package var trainTimesteps: Int
  package var curve: BetaCurve
  package var start: Double
  package var end: Double
  /// Betas given one by one; they replace curve, start and end.
  package var trainedBetas: [Double]?
  /// Shifts and scales sqrt(alphaBar) so that alphaBar(T - 1) = 0 (Lin et al. 2024, algorithm 1).
  package var rescaleToZeroSNR: Bool
  /// Whether the network counts time from 0 to 1000 whatever T is, so that timestep t is handed to it as t * 1000 / T, a
  /// fraction where T is not 1000 (Nichol and Dhariwal 2021, released code, `rescale_timesteps`). The schedule itself does
  /// not change.
  package var rescaleTimesteps: Bool

  package init(
    trainTimesteps: Int = 1000, curve: BetaCurve = .linear, start: Double = 1e-4, end: Double = 0.02,
    trainedBetas: [Double]? = nil, rescaleToZeroSNR: Bool = false, rescaleTimesteps: Bool = false
  ) {
    self.trainTimesteps = trainTimesteps
    self.curve = curve
    self.start = start
    self.end = end
    self.trainedBetas = trainedBetas
    self.rescaleToZeroSNR = rescaleToZeroSNR
    self.rescaleTimesteps = rescaleTimesteps
  }

  /// beta_0 … beta_(T-1) before rescaling.
  var betas: [Double] {
    if let trainedBetas { return trainedBetas }
    let count = trainTimesteps
    switch curve {
    case .linear: return evenlySpaced(from: start, through: end, count: count)
    case .scaledLinear:
      return evenlySpaced(from: start.squareRoot(), through: end.squareRoot(), count: count).map { $0 * $0 }
    case .cosine:
      return (0..<count).map { i in
        min(1 - cosineAlphaBar(Double(i + 1) / Double(count)) / cosineAlphaBar(Double(i) / Double(count)), 0.999)
      }
    case .sigmoid:
      return evenlySpaced(from: -6, through: 6, count: count).map { x in
        (end - start) / (1 + PortableMath.exp(-x)) + start
      }
    }
  }

  private func evenlySpaced(from first: Double, through last: Double, count: Int) -> [Double] {
    let step = count > 1 ? (last - first) / Double(count - 1) : 0
    return (0..<count).map { first + Double($0) * step }
  }

  /// Nichol and Dhariwal 2021, equation 17, without its constant factor f(0); `time` runs from 0 to 1.
  private func cosineAlphaBar(_ time: Double) -> Double {
    let cosine = PortableMath.sineCosine(turns: (time + 0.008) / 1.008 / 4).cosine
    return cosine * cosine
  }
}

extension BetaSchedule {
  /// Reads diffusers' keys; absent keys take diffusers' defaults when `strict` is false and are reported when it is true.
  /// Records every value that makes no schedule, at its own path.
  /// - Parameter standard: what absent keys mean.
  init(reading reader: ConfigurationReader, strict: Bool, standard: BetaSchedule = BetaSchedule()) {
    trainTimesteps = reader.int(
      "num_train_timesteps", default: strict ? nil : standard.trainTimesteps, in: Self.trainTimestepRange)
    curve = reader.choice("beta_schedule", default: strict ? nil : standard.curve)
    start = reader.double("beta_start", default: strict ? nil : standard.start)
    end = reader.double("beta_end", default: strict ? nil : standard.end)
    rescaleToZeroSNR = reader.bool("rescale_betas_zero_snr", default: strict ? nil : standard.rescaleToZeroSNR)
    rescaleTimesteps = reader.bool("rescale_timesteps", default: false)
    if case .some(let value) = reader.value("trained_betas"), value != .null {
      trainedBetas = reader.doubles("trained_betas")
    } else {
      trainedBetas = nil
    }
    // A beta that could not be read is already reported; what stands in for it would be reported again.
    let unread = ["beta_start", "beta_end"].filter { !Self.isFiniteNumber(reader.value($0)) }
    for problem in problems where !unread.contains(problem.key) { reader.report(problem.key, problem.text) }
  }

  private static func isFiniteNumber(_ value: ConfigurationValue?) -> Bool {
    switch value {
    case .integer: true
    case .number(let number): number.isFinite
    case nil, .null, .bool, .string, .list, .map: false
    }
  }

  /// The same keys, all present but `rescale_timesteps`, which stands only where it is true: diffusers has no such key, and
  /// what was written without it means the same.
  var entries: [ConfigurationValue.Entry] {
    let entries: [ConfigurationValue.Entry] = [
      .init("num_train_timesteps", .integer(trainTimesteps)),
      .init("beta_schedule", .string(curve.rawValue)),
      .init("beta_start", .number(start)),
      .init("beta_end", .number(end)),
      .init("trained_betas", trainedBetas.map { .list($0.map(ConfigurationValue.number)) } ?? .null),
      .init("rescale_betas_zero_snr", .bool(rescaleToZeroSNR)),
    ]
    return rescaleTimesteps ? entries + [.init("rescale_timesteps", true)] : entries
  }

  /// Why no schedule follows from these values, by configuration key; empty when one does.
  var problems: [(key: String, text: String)] {
    var found: [(key: String, text: String)] = []
    func check(_ key: String, _ beta: Double) {
      // The lower bound keeps 1 - alphaBar above 0 in Double: samplers divide by it.
      if !(beta >= 0x1p-50 && beta < 1) {
        found.append((key, "expected a variance above 0 and below 1, found \(beta)"))
      }
    }
    if !Self.trainTimestepRange.contains(trainTimesteps) {
      found.append(("num_train_timesteps", "expected an integer from 1 to 100000, found \(trainTimesteps)"))
    } else if let trainedBetas {
      if trainedBetas.count != trainTimesteps {
        found.append(
          ("trained_betas", "expected \(trainTimesteps) values (num_train_timesteps), found \(trainedBetas.count)"))
      }
      for (position, beta) in trainedBetas.enumerated() { check("trained_betas[\(position)]", beta) }
    } else if curve != .cosine {
      check("beta_start", start)
      check("beta_end", end)
    }
    if rescaleToZeroSNR && trainTimesteps < 2 {
      found.append(("rescale_betas_zero_snr", "needs at least 2 training timesteps, found \(trainTimesteps)"))
    }
    return found
  }
}
