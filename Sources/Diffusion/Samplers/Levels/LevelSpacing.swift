import Tensors

/// Where on the model's time a solver in noise levels puts its steps.
package enum LevelSpacing: String, Sendable, CaseIterable {
  /// Evenly from T - 1: down to 0 in S points, which may be fractions (Euler's family), or in S intervals whose end at 0 is left
  /// out, rounded (multistep solvers).
  case linspace
  /// Multiples of T div S from 0, or of T div (S + 1) from 1 for multistep solvers (diffusers).
  case leading
  /// round(T - i T / S) - 1: starts at T - 1 (Lin et al. 2024, table 2).
  case trailing
  /// S intervals from T - 1 to 0, fractions kept (Lu et al. 2022, released code).
  case timeUniform = "time_uniform"
  /// The same, even in the logarithm of signal over noise.
  case logSNR = "log_snr"
  /// The same, even in the square root of t + 1.
  case timeQuadratic = "time_quadratic"

  /// Whether the network is given fractions, levels lie between those of the schedule, and the last interval ends at 0.
  var isContinuous: Bool {
    switch self {
    case .linspace, .leading, .trailing: false
    case .timeUniform, .logSNR, .timeQuadratic: true
    }
  }
}

/// Which noise levels the steps have.
package enum SigmaSchedule: String, Sendable, CaseIterable {
  /// The model's own at its timesteps.
  case training
  /// Even in sigma^(1/7) between the two ends (Karras et al. 2022, equation 5).
  case karras
  /// Even in log sigma between the two ends.
  case exponential
  /// The same levels; the network's timesteps are rounded, where `exponential` cuts fractions off (diffusers,
  /// `use_lu_lambdas`).
  case luLambdas = "lu_lambdas"
  /// S intervals even in log sigma over the whole schedule, whose timesteps are those of the spacing all the same (diffusers,
  /// `interpolation_type`).
  case logLinear = "log_linear"

  /// Levels from `largest` to `smallest`, both exactly, in `count` points; a count of 1 gives the largest.
  func levels(from largest: Double, to smallest: Double, count: Int) -> [Double] {
    guard count > 1 else { return [largest] }
    let root: Double =
      switch self {
      case .karras: 7
      case .training, .exponential, .luLambdas, .logLinear: 0
      }
    let inner = (1..<count - 1).map { index in
      let fraction = Double(index) / Double(count - 1)
      let (first, last) = (PortableMath.log(largest), PortableMath.log(smallest))
      guard root > 0 else { return PortableMath.exp(first + fraction * (last - first)) }
      let (high, low) = (PortableMath.exp(first / root), PortableMath.exp(last / root))
      return PortableMath.exp(root * PortableMath.log(high + fraction * (low - high)))
    }
    return [largest] + inner + [smallest]
  }
}

/// The noise level that the last step leads to; names as diffusers' `final_sigmas_type`.
package enum FinalLevel: String, Sendable, CaseIterable {
  /// The image without noise.
  case zero
  /// The smallest level of the schedule.
  case smallest = "sigma_min"
}
