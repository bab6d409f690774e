import Tensors

/// How much of the image and how much noise a state holds: x = signal x_0 + noise epsilon, with signal^2 + noise^2 = 1.
///
/// States are kept in these units for every solver, so that a state is what the network is given. Solvers that are derived for
/// x_0 + sigma epsilon (Karras et al. 2022) are written in terms of x / signal, which is that.
package struct NoiseLevel: Sendable, Hashable {
  package let alphaBar: Double
  /// sqrt(alphaBar), the factor of x_0.
  package let signal: Double
  /// sqrt(1 - alphaBar), the factor of epsilon.
  package let noise: Double

  /// - Parameter alphaBar: from 0, pure noise, to 1, the image.
  package init(alphaBar: Double) {
    self.alphaBar = alphaBar
    signal = alphaBar.squareRoot()
    noise = (1 - alphaBar).squareRoot()
  }

  /// - Parameter sigma: noise over signal, finite; 0 is the image.
  package init(sigma: Double) {
    signal = 1 / (1 + sigma * sigma).squareRoot()
    noise = sigma * signal
    alphaBar = signal * signal
  }

  /// The image without noise.
  package static let clean = NoiseLevel(alphaBar: 1)

  package var isClean: Bool { noise == 0 }
  /// Noise over signal; infinite for pure noise.
  package var sigma: Double { noise / signal }

  /// How far the logarithm of signal over noise rises from this level to another, h of Lu et al. 2022: infinite to the image.
  package func rise(to next: NoiseLevel) -> Double {
    next.isClean ? .infinity : PortableMath.log(sigma / next.sigma)
  }
}

extension NoiseSchedule {
  /// - Precondition: `timestep` is one of 0, 1, …, T - 1.
  package func level(at timestep: Timestep) -> NoiseLevel { NoiseLevel(alphaBar: alphaBar(at: timestep)) }
}

extension DiffusionProcess {
  /// The prediction of x_0 that the network's output means at x_t (N C H W, both).
  ///
  /// epsilon: (x_t - sqrt(1 - alphaBar) epsilon) / sqrt(alphaBar) (Ho et al. 2020, equation 15).
  /// velocity: sqrt(alphaBar) x_t - sqrt(1 - alphaBar) v (Salimans and Ho 2022, appendix D).
  package func cleanImage(_ x: Tensor, output: Tensor, at level: NoiseLevel) -> Tensor {
    switch predictionType {
    case .epsilon: return Self.cleanImage(x, noise: output, at: level)
    case .sample: return output
    case .velocity: return .combining(level.signal, x, -level.noise, output)
    }
  }

  /// The image that remains of x_t without a noise: (x_t - sqrt(1 - alphaBar) epsilon) / sqrt(alphaBar).
  static func cleanImage(_ x: Tensor, noise: Tensor, at level: NoiseLevel) -> Tensor {
    .combining(1 / level.signal, x, -level.noise / level.signal, noise)
  }

  /// The noise that the network's output means at x_t (N C H W, both).
  ///
  /// sample: as `noise(_:clean:at:)`. velocity: sqrt(alphaBar) v + sqrt(1 - alphaBar) x_t (Salimans and Ho 2022, appendix D).
  package func noise(_ x: Tensor, output: Tensor, at level: NoiseLevel) -> Tensor {
    switch predictionType {
    case .epsilon: return output
    case .sample: return noise(x, clean: output, at: level)
    case .velocity: return .combining(level.signal, output, level.noise, x)
    }
  }

  /// The noise that leads from x_0 to x_t: (x_t - sqrt(alphaBar) x_0) / sqrt(1 - alphaBar).
  package func noise(_ x: Tensor, clean: Tensor, at level: NoiseLevel) -> Tensor {
    .combining(1 / level.noise, x, -level.signal / level.noise, clean)
  }
}
