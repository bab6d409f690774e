import Tensors

/// What the encoder of a variational autoencoder says of images: a normal distribution for each value of their latents (Kingma &
/// Welling 2014).
package struct GaussianMoments: Sendable, Equatable {
  /// Also the distribution's mode. N C H W.
  package let mean: Tensor
  /// Limited to [-30, 20], as the programs that train such encoders do. N C H W.
  package let logVariance: Tensor

  private static let bounds: ClosedRange<Float> = -30...20

  /// - Parameter output: of the encoder, N 2C H W.
  package init(_ output: Tensor) {
    let (mean, logVariance) = output.channelHalves()
    self.mean = mean
    self.logVariance = Tensor(
      logVariance.dims, logVariance.values.map { min(max($0, Self.bounds.lowerBound), Self.bounds.upperBound) })
  }

  /// mean + exp(log variance / 2) noise, in Double, with bits that are equal on every machine.
  /// - Parameter noise: standard normals, N C H W.
  package func sample(_ noise: Tensor) -> Tensor {
    precondition(noise.dims == mean.dims)
    return Tensor(
      mean.dims,
      mean.values.indices.map { i in
        let deviation = PortableMath.exp(Double(logVariance.values[i]) / 2)
        return Float(Double(mean.values[i]) + deviation * Double(noise.values[i]))
      })
  }
}
