import Platform

/// Annealing of the rounding regulariser: off during the warm-up, then an exponent that falls linearly from `first` to
/// `last` (AdaRound's released code). Iterations count from 1.
package struct RoundingSchedule: Sendable, Equatable {
  package let iterations: Int
  /// Share of the iterations without regulariser.
  package let warmUp: Double
  package let first: Double
  package let last: Double

  package init(iterations: Int, warmUp: Double, first: Double = 20, last: Double = 2) {
    self.iterations = iterations
    self.warmUp = warmUp
    self.first = first
    self.last = last
  }

  /// nil while the regulariser is off.
  package func exponent(at iteration: Int) -> Double? {
    let start = warmUp * Double(iterations)
    guard Double(iteration) >= start else { return nil }
    let passed = (Double(iteration) - start) / max(Double(iterations) - start, 1e-9)
    return last + (first - last) * max(0, 1 - passed)
  }

  /// What learning rates are multiplied with: AdaRound keeps its rate; straight-through rates fall as a cosine from 1
  /// towards 0.
  package func decay(at iteration: Int, _ relaxation: Recipe.Relaxation) -> Double {
    switch relaxation {
    case .rectifiedSigmoid: 1
    case .straightThrough: Self.cosine(iteration, of: iterations)
    }
  }

  /// From 1 towards 0 (Loshchilov & Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", equation 5).
  package static func cosine(_ iteration: Int, of iterations: Int) -> Double {
    0.5 * (1 + cos(Double.pi * Double(iteration - 1) / Double(iterations)))
  }
}
