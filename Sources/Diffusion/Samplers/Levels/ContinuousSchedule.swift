import Tensors

/// A noise schedule between its timesteps: T levels as functions of a continuous time from 0 to T - 1, and back.
struct ContinuousSchedule {
  /// Noise over signal of every timestep; increasing.
  let sigmas: [Double]
  private let logAlphaBars: [Double]
  private let logSigmas: [Double]

  /// alphaBar of a level without signal, in whose place a sigma would be infinite (diffusers: 2^-24, sigma 4096).
  private static let smallestAlphaBar = 0x1p-24

  init(_ schedule: NoiseSchedule) {
    // Beyond 1e-60 squares of sigma leave Double; no schedule goes there but by vanishing.
    let alphaBars = schedule.alphaBar.map { $0 > 1e-60 ? $0 : Self.smallestAlphaBar }
    sigmas = alphaBars.map { ((1 - $0) / $0).squareRoot() }
    logSigmas = sigmas.map { PortableMath.log($0) }
    logAlphaBars = alphaBars.map { PortableMath.log($0) }
  }

  var lastTimestep: Int { sigmas.count - 1 }

  /// sigma at a time, linear in between (Karras et al. 2022, released code of its users: numpy's interp).
  func sigma(at time: Double) -> Double { Self.interpolated(sigmas, at: time) }

  /// The time at which the schedule has a noise level, linear in log sigma in between; outside, the nearer end.
  func time(ofSigma sigma: Double) -> Double { Self.position(of: PortableMath.log(sigma), in: logSigmas) }

  /// The level at a time, linear in log alphaBar in between (Lu et al. 2022, released code, for discrete-time models).
  func logLinearLevel(at time: Double) -> NoiseLevel {
    NoiseLevel(alphaBar: PortableMath.exp(Self.interpolated(logAlphaBars, at: time)))
  }

  /// The time at which the schedule has a level, linear in log alphaBar in between; outside, the nearer end.
  func logLinearTime(of level: NoiseLevel) -> Double {
    // Falling in time, so both signs are turned.
    Self.position(of: -PortableMath.log(level.alphaBar), in: logAlphaBars, sign: -1)
  }

  /// How many timesteps have a logarithm of signal over noise below `bound`: those at the noisy end.
  func timesteps(belowLogSNR bound: Double) -> Int { logSigmas.count { -$0 < bound } }

  /// A value between those of two whole times; `time` lies in 0...T - 1.
  private static func interpolated(_ values: [Double], at time: Double) -> Double {
    let below = min(Int(time), values.count - 1)
    let above = min(below + 1, values.count - 1)
    return values[below] + (time - Double(below)) * (values[above] - values[below])
  }

  /// The time at which values, increasing once multiplied by `sign`, reach `value`.
  private static func position(of value: Double, in values: [Double], sign: Double = 1) -> Double {
    var (below, above) = (-1, values.count)
    while above - below > 1 {
      let middle = (below + above) / 2
      if sign * values[middle] > value { above = middle } else { below = middle }
    }
    if below < 0 { return 0 }
    if above == values.count { return Double(values.count - 1) }
    return Double(below) + (value - sign * values[below]) / (sign * values[above] - sign * values[below])
  }
}
