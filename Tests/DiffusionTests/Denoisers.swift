import Diffusion
import Foundation
import Tensors

/// The "network" of the reference trajectories: 0.3 x + 0.1 sin(t / 50), and, where a variance is learned, a second half.
struct ReferenceDenoiser: Denoiser {
  enum Variance { case none, range, direct, cosine }

  let imageShape: ImageShape
  var predictionType: PredictionType = .epsilon
  var variance: Variance = .none
  var learnsVariance: Bool { variance != .none }
  var conditioning: ConditioningForm { .unconditional }

  func predict(_ x: Tensor, at step: Step, conditioning: [Conditioning]) throws -> Tensor {
    // Multiplied and added in Float, as PyTorch does with a Python number.
    let shift = Float(0.1 * sin(step.networkTimestep.value / 50))
    let prediction = Tensor(x.dims, x.values.map { Float(0.3) * $0 + shift })
    let second: Tensor
    switch variance {
    case .none: return prediction
    case .range: second = Tensor(x.dims, x.values.map { 0.25 * $0 })
    case .cosine:
      let time = step.networkTimestep.value
      second = Tensor(x.dims, x.values.map { Float(0.8 * cos(1.7 * Double($0) + time / 300)) })
    case .direct: second = Tensor(x.dims, x.values.map { 0.01 + Float(0.05) * $0 * $0 })
    }
    let images = x.dims[0]
    return Tensor(
      [images, 2 * x.dims[1]] + x.dims[2...],
      (0..<images).flatMap { prediction.rows($0..<$0 + 1).values + second.rows($0..<$0 + 1).values })
  }
}

/// The reference network with a term that conditions it: a number c of each image, in the vector "c".
struct ConditionalDenoiser: Denoiser {
  let network: ReferenceDenoiser
  /// What is added to the prediction for a value of x; c is nil without the condition.
  let term: @Sendable (_ c: Float?, _ x: Float) -> Float
  var imageShape: ImageShape { network.imageShape }
  var predictionType: PredictionType { network.predictionType }
  var learnsVariance: Bool { false }
  var conditioning: ConditioningForm { ConditioningForm(vectors: ["c": 1]) }

  func predict(_ x: Tensor, at step: Step, conditioning: [Conditioning]) throws -> Tensor {
    var output = try network.predict(x, at: step, conditioning: [])
    for i in output.values.indices {
      output.values[i] += term(conditioning[i / imageShape.count].vectors["c"]?[0], x.values[i])
    }
    return output
  }
}

/// The exact denoiser of a Gaussian data distribution N(mean, deviation^2) per pixel: E[epsilon | x_t] in closed form,
/// since x_t is N(sqrt(alphaBar) mean, alphaBar deviation^2 + 1 - alphaBar).
struct GaussianDenoiser: Denoiser {
  let imageShape: ImageShape
  let schedule: NoiseSchedule
  let mean: Double
  let deviation: Double
  var predictionType: PredictionType { .epsilon }
  var learnsVariance: Bool { false }
  var conditioning: ConditioningForm { .unconditional }

  func marginal(at timestep: Timestep) -> (mean: Double, variance: Double) {
    let alphaBar = schedule.alphaBar(at: timestep)
    return (alphaBar.squareRoot() * mean, alphaBar * deviation * deviation + 1 - alphaBar)
  }

  func predict(_ x: Tensor, at step: Step, conditioning: [Conditioning]) throws -> Tensor {
    let (center, variance) = marginal(at: step.timestep)
    let factor = (1 - schedule.alphaBar(at: step.timestep)).squareRoot() / variance
    return Tensor(x.dims, x.values.map { Float(factor * (Double($0) - center)) })
  }
}

/// Mean and deviation of a tensor's values.
func moments(_ tensor: Tensor) -> (count: Double, mean: Double, deviation: Double) {
  let values = tensor.values.map(Double.init)
  let n = Double(values.count)
  let mean = values.reduce(0, +) / n
  return (n, mean, (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n).squareRoot())
}

/// Noise that another program drew: one tensor per step, x_T beside it.
struct RecordedNoise: NoiseProvider {
  let initial: Tensor
  let steps: [Tensor]

  func normals(images: [Int], shape: ImageShape, draw: NoiseDraw) throws -> Tensor {
    switch draw {
    case .initial: initial
    case .step(let index): steps[index]
    }
  }
}

/// Decision of the project for trajectories: max |a - b| relative to max(1, max |b|).
func trajectoryError(_ a: Tensor, _ b: Tensor) -> Double {
  guard a.dims == b.dims else { return .infinity }
  var difference = 0.0
  var size = 1.0
  for (a, b) in zip(a.values, b.values) {
    guard a.isFinite && b.isFinite else { return .infinity }
    difference = max(difference, abs(Double(a) - Double(b)))
    size = max(size, abs(Double(b)))
  }
  return difference / size
}
