import Evaluation
import Tensors

/// What was measured of one variant: a row of the tables of `demo` and `ablate`.
package struct VariantRow: Sendable {
  /// As the table calls it: "W4A8, Halftone".
  package let title: String
  /// Recipe; nil for the float model.
  package let recipe: String?
  package let bytes: Int
  /// Share of the multiplications that stay in Float.
  package let floatShare: Double
  /// What making the artefact took, the calibration set apart; nil for the float model.
  package let cost: WorkCost?
  /// Per image and sampling step.
  package let milliseconds: Double
  /// To the reference, one per seed; empty when there is no reference.
  package let distances: [FrechetDistance]
  /// Of its decoder; nil for pixel models.
  package let decoding: DecoderFigures?
  /// With the float model's images at equal seeds, all seeds together; nil for the float model.
  package let pairs: PairedComparison?
  /// Deviation of predicted noise at every step, on the float model's states; nil for the float model.
  package let stepErrors: [SignalToNoise]?

  package init(
    title: String, recipe: String?, bytes: Int, floatShare: Double, cost: WorkCost?, milliseconds: Double,
    distances: [FrechetDistance], decoding: DecoderFigures?,
    pairs: PairedComparison?, stepErrors: [SignalToNoise]?
  ) {
    self.title = title
    self.recipe = recipe
    self.bytes = bytes
    self.floatShare = floatShare
    self.cost = cost
    self.milliseconds = milliseconds
    self.distances = distances
    self.decoding = decoding
    self.pairs = pairs
    self.stepErrors = stepErrors
  }

  /// The share that stays in Float, in per cent; empty for the float model.
  package var inFloat: String { recipe == nil ? "" : "\(fixed(100 * floatShare, 1)) %" }

  /// Mean over steps, dB.
  package var epsilonSNR: Double? { stepErrors.flatMap(meanDecibels(of:)) }

  /// Mean of the pairs' PSNR, in parentheses that of their mean squared error; empty for the float model.
  package var psnr: String {
    pairs?.quality.shown ?? ""
  }

  /// Mean and standard deviation over seeds (of one seed: nil).
  package var distance: (mean: Double, deviation: Double?)? { Spread.of(distances.map(\.distance)) }

  /// How much farther from the reference than `float` is, at equal seeds: mean and standard deviation over seeds of
  /// d / d_float - 1.
  package func excess(over float: VariantRow) -> (mean: Double, deviation: Double?)? {
    Spread.of(zip(distances, float.distances).map { $0.distance / $1.distance - 1 })
  }
}

/// Mean and standard deviation of a few repetitions.
package enum Spread {
  /// nil without values; the deviation (n - 1 in the denominator) is nil for one.
  package static func of(_ values: [Double]) -> (mean: Double, deviation: Double?)? {
    if values.isEmpty { return nil }
    let mean = values.reduce(0, +) / Double(values.count)
    if values.count == 1 { return (mean, nil) }
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (mean, (squares / Double(values.count - 1)).squareRoot())
  }
}
