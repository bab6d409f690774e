import Diffusion
import Tensors

/// What is known of the noise that quantisation adds to a network's epsilon, step by step (PTQD: He et al. 2023, "Accurate
/// post-training quantization for diffusion models", section 3): epsilon_q = (1 + k) epsilon + mean + rest.
package struct NoiseCorrection: Sendable, Equatable {
  package struct Row: Sendable, Equatable {
    /// k: how much of the error goes along with epsilon; at least 0.
    package var slope: Float
    /// Mean of the rest, per channel of the image.
    package var bias: [Float]
    /// Variance of what remains after the correction.
    package var variance: Float

    package init(slope: Float, bias: [Float], variance: Float) {
      self.slope = slope
      self.bias = bias
      self.variance = variance
    }
  }

  /// One per sampling step.
  package let rows: [Row]

  package init(rows: [Row]) { self.rows = rows }

  /// (epsilon_q - mean) / (1 + k). A learned variance, the second half of the channels, stays as it is.
  /// - Parameter output: N C' H W, C' the image's channels or twice as many.
  package func corrected(_ output: Tensor, at step: Step) -> Tensor {
    let row = rows[step.index]
    let inverse = 1 / (1 + row.slope)
    let pixels = output.dims[2] * output.dims[3]
    var result = output
    for start in stride(from: 0, to: output.count, by: pixels) {
      let channel = start / pixels % output.dims[1]
      guard channel < row.bias.count else { continue }
      for i in start..<(start + pixels) { result.values[i] = (output.values[i] - row.bias[channel]) * inverse }
    }
    return result
  }
}

/// Sums over pairs of outputs, from which a row of the correction follows.
package struct NoiseStatistics {
  private var count = 0.0
  private var sums: [(epsilon: Double, deviation: Double)]
  private var epsilonSquares = 0.0
  private var products = 0.0
  private var deviationSquares = 0.0

  package init(channels: Int) { sums = .init(repeating: (0, 0), count: channels) }

  /// - Parameters: float, quantized: outputs of equal inputs, N C' H W; channels beyond the image's are passed over.
  package mutating func add(float: Tensor, quantized: Tensor) {
    let pixels = float.dims[2] * float.dims[3]
    for start in stride(from: 0, to: float.count, by: pixels) {
      let channel = start / pixels % float.dims[1]
      guard channel < sums.count else { continue }
      for i in start..<(start + pixels) {
        let epsilon = Double(float.values[i])
        let deviation = Double(quantized.values[i]) - epsilon
        sums[channel].epsilon += epsilon
        sums[channel].deviation += deviation
        epsilonSquares += epsilon * epsilon
        products += epsilon * deviation
        deviationSquares += deviation * deviation
      }
      count += Double(pixels)
    }
  }

  /// Slope: covariance of deviation and epsilon over the variance of epsilon, all elements together, negative ones 0.
  /// Bias: mean of the whole deviation per channel (released code). Variance: of the deviation without slope and means,
  /// over (1 + k)^2.
  package var row: NoiseCorrection.Row {
    guard count > 0 else { return .init(slope: 0, bias: sums.map { _ in 0 }, variance: 0) }
    let perChannel = count / Double(sums.count)
    let (meanE, meanD) = (sums.reduce(0) { $0 + $1.epsilon } / count, sums.reduce(0) { $0 + $1.deviation } / count)
    let varianceE = epsilonSquares / count - meanE * meanE
    let covariance = products / count - meanE * meanD
    let slope = varianceE > 0 ? max(covariance / varianceE, 0) : 0
    let varianceD = deviationSquares / count - meanD * meanD
    let rest = max(varianceD - 2 * slope * covariance + slope * slope * varianceE, 0)
    return .init(
      slope: Float(slope), bias: sums.map { Float($0.deviation / perChannel) },
      variance: Float(rest / ((1 + slope) * (1 + slope))))
  }
}

/// A quantised network whose predictions are corrected.
package struct CorrectedDenoiser: Denoiser {
  private let network: any Denoiser
  private let correction: NoiseCorrection

  package init(_ network: any Denoiser, _ correction: NoiseCorrection) {
    self.network = network
    self.correction = correction
  }

  package var imageShape: ImageShape { network.imageShape }
  package var predictionType: PredictionType { network.predictionType }
  package var learnsVariance: Bool { network.learnsVariance }
  package var conditioning: ConditioningForm { network.conditioning }

  package func predict(_ x: Tensor, at step: Step, conditioning: [Conditioning]) throws -> Tensor {
    correction.corrected(try network.predict(x, at: step, conditioning: conditioning), at: step)
  }

  package func residualVariance(at step: Step) -> Double { Double(correction.rows[step.index].variance) }
}
