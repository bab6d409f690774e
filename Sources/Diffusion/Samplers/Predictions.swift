import Tensors

/// What the network's output means at a state, in every form that a sampler may need.
struct Predictions {
  /// The network's prediction, without a learned variance. N C H W.
  let output: Tensor
  /// The second half of the network's channels where it learns a variance.
  let variance: Tensor?
  /// x_0, clipped or thresholded.
  let clean: Tensor
  private let process: DiffusionProcess
  private let level: NoiseLevel
  private let x: Tensor
  private let isLimited: Bool

  /// - Throws: `modelOutput` when the output has neither the state's channels nor twice as many.
  init(
    _ x: Tensor, output: Tensor, at level: NoiseLevel, process: DiffusionProcess, within bounds: CleanImageBounds
  ) throws(DiffusionError) {
    (self.output, variance) = try splitOutput(output, for: x)
    clean = bounds.applied(to: process.cleanImage(x, output: self.output, at: level))
    self.process = process
    self.level = level
    self.x = x
    isLimited = !bounds.changesNothing
  }

  /// epsilon as the network predicts it.
  var noise: Tensor { process.noise(x, output: output, at: level) }
  /// epsilon that leads from `clean` to the state.
  var limitedNoise: Tensor { isLimited ? process.noise(x, clean: clean, at: level) : noise }
}
