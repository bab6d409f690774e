import Tensors

/// Training timestep, t in 0..<T of the model's noise schedule (continuous for Fourier-embedded models).
/// Never a loop position: that is `Step.index`.
package struct Timestep: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let value: Double
  package init(_ value: Double) { self.value = value }
  package init(_ value: Int) { self.value = Double(value) }
  package static func < (a: Timestep, b: Timestep) -> Bool { a.value < b.value }
  package var description: String { Int(exactly: value).map(String.init) ?? "\(value)" }
}

/// One network call while sampling: its position in execution order (0 is the noisiest), its timestep on the noise schedule,
/// and the timestep of the result (nil: that of the finished image). Most samplers make one call a step; where a step has two,
/// both are numbered, and rows of tables and groups of calibration sets go by these numbers. Timesteps may repeat; indices do
/// not.
package struct Step: Hashable, Sendable {
  package let index: Int
  /// An entry of the noise schedule, 0, 1, …, T - 1; the nearest one where the sampler solves between entries.
  package let timestep: Timestep
  package let previous: Timestep?
  /// The number that the network is given for this timestep: the timestep itself, or a fraction where the model was trained
  /// on rescaled times (`BetaSchedule.rescaleTimesteps`) or the sampler solves between entries.
  package let networkTimestep: Timestep

  /// - Parameter networkTimestep: nil where the network is given the timestep itself.
  package init(index: Int, timestep: Timestep, previous: Timestep?, networkTimestep: Timestep? = nil) {
    self.index = index
    self.timestep = timestep
    self.previous = previous
    self.networkTimestep = networkTimestep ?? timestep
  }
}

extension [Step] {
  /// Whether the network is called equally often, with the same timesteps in the same order: what was measured for one list of
  /// calls, row by row, then holds for the other, whichever solver makes them.
  package func makesSameCalls(as other: [Step]) -> Bool {
    map(\.networkTimestep) == other.map(\.networkTimestep) && map(\.timestep) == other.map(\.timestep)
  }
}

/// What the network's output means. Names as diffusers' `prediction_type`.
package enum PredictionType: String, Sendable, CaseIterable {
  case epsilon, sample
  case velocity = "v_prediction"
}

/// The only thing a sampler knows of a network.
package protocol Denoiser: Sendable {
  var imageShape: ImageShape { get }
  var predictionType: PredictionType { get }
  /// Whether the output has twice the channels, the second half a learned variance.
  var learnsVariance: Bool { get }
  /// The conditioning that the network takes.
  var conditioning: ConditioningForm { get }
  /// One call on a batch at one sampling step.
  /// - Parameters: x: N C H W in the sampler's units; conditioning: one per image, of the form that the network takes; empty
  ///   for unconditional networks.
  /// - Returns: N C' H W with C' = C, or 2 C when the variance is learned.
  func predict(_ x: Tensor, at step: Step, conditioning: [Conditioning]) throws -> Tensor
  /// Variance of the noise that the prediction of epsilon itself carries at a step: known of corrected quantised
  /// networks, else 0.
  func residualVariance(at step: Step) -> Double
}

extension Denoiser {
  package func residualVariance(at step: Step) -> Double { 0 }
}
