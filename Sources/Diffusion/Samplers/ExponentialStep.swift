import Tensors

/// The way from one noise level to another that an exponential integrator takes: the linear part of the probability flow is
/// solved exactly, and what the network predicts is a polynomial in lambda, the logarithm of signal over noise (Lu et al. 2022,
/// "DPM-Solver", section 3.2; Lu et al. 2022, "DPM-Solver++", section 4; Zhao et al. 2023, "UniPC", section 3.1).
///
///     x' = base x - scale (phi_1 m_0 + psi_2 D_1 + psi_3 D_2 + …)
///
/// with m_0 the prediction here, D_k estimates of h^k times its derivatives in lambda, z the exponent:
///
///     predicting        base                     scale    z       phi_1 = e^z - 1
///     x_0               sigma' / sigma           signal'  -h      psi_2 = phi_1 / z - 1
///     x_0, with noise   sigma' / sigma e^(-h)    signal'  -2 h    psi_3 = psi_2 / z - 1 / 2
///     epsilon           signal' / signal         noise'   h
///
/// where sigma stands for the level's `noise`, primes for the next level, and h for the rise of lambda.
struct ExponentialStep {
  enum Prediction {
    case clean, epsilon
    /// x_0, on the way of the reverse diffusion (with added noise) instead of the flow.
    case cleanWithNoise
  }

  /// h; infinite where the next level has no noise.
  let rise: Double
  let base: Double
  let scale: Double
  /// z.
  let exponent: Double
  let phi1: Double
  /// The deviation of the noise that is added; 0 on the flow.
  let deviation: Double
  private let level: NoiseLevel

  init(from level: NoiseLevel, to next: NoiseLevel, predicting prediction: Prediction) {
    self.level = level
    rise = level.rise(to: next)
    // e^(-h), exactly what the levels say.
    let falling = next.sigma / level.sigma
    switch prediction {
    case .clean:
      (base, scale, exponent, phi1, deviation) = (next.noise / level.noise, next.signal, -rise, falling - 1, 0)
    case .cleanWithNoise:
      (base, scale, exponent) = (next.noise / level.noise * falling, next.signal, -2 * rise)
      phi1 = falling * falling - 1
      deviation = next.noise * max(0, 1 - falling * falling).squareRoot()
    case .epsilon:
      (base, scale, exponent, phi1, deviation) = (next.signal / level.signal, next.noise, rise, 1 / falling - 1, 0)
    }
  }

  var psi2: Double { phi1 / exponent - 1 }
  var psi3: Double { psi2 / exponent - 1.0 / 2 }

  /// How far an earlier level lies back, in units of h; negative.
  func ratio(of earlier: NoiseLevel) -> Double { -earlier.rise(to: level) / rise }
}
