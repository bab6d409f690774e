import Graphs
import Tensors

/// Scale, zero point and code range of one granule, in Double while ranges are searched.
package struct Grid: Sendable, Equatable {
  package var scale: Double
  package var zeroPoint: Int
  package var largest: Int

  package init(scale: Double, zeroPoint: Int, largest: Int) {
    self.scale = scale
    self.zeroPoint = zeroPoint
    self.largest = largest
  }

  /// s (clamp(rint(x / s) + z, 0, L - 1) - z).
  @inline(__always) package func rounded(_ x: Double) -> Double {
    let code = min(max(roundHalfToEven(x / scale) + Double(zeroPoint), 0), Double(largest))
    return scale * (code - Double(zeroPoint))
  }
}

/// How a range becomes a grid of 2^bits codes: the constraints that execution puts on zero points live here, so that the
/// searches score exactly what will be executed.
package struct GridRule: Sendable, Equatable {
  /// `attention`: an activation that stands right in an attention product, where integer execution wants signed bytes.
  package enum Operand { case weight, activation, attention }

  let bits: Int
  let symmetric: Bool
  /// Steps that a symmetric range [-a, a] is divided into: L - 2 maps a to the code of 2^(b-1) - 1 exactly, L - 1 is
  /// PTQ4DM's.
  let symmetricSteps: Int
  /// Whether zero is always inside the range, so that its code exists.
  let includesZero: Bool
  package let zeroPoints: ClosedRange<Int>
  let largest: Int
  /// Whether one-sided values get a one-sided symmetric grid.
  private let sidesCount: Bool

  /// A scale below this is replaced by it (TFMQ-DM, PTQ4DM and their ancestors): the values are all (nearly) zero.
  static let smallestScale = 1e-8

  /// The rule of one operand under one estimator.
  ///
  /// - Activations: unsigned codes, zero always included, so that a padding halo can hold it (z in 0…L-1).
  /// - Weights: z is such that every q - z fits a signed byte, which integer execution multiplies; below 8 bits that
  ///   leaves z from L - 128 to 128. Eight asymmetric bits cannot fit (only z = 128 would) and keep a 16-bit z: such
  ///   weights are simulated, or executed as dequantised floats.
  /// - Symmetric: z = 2^(b-1) by definition. Differs: PTQ4DM computes round((L-1)/2), which flips between 7 and 8 with
  ///   the arithmetic's precision. One-sided symmetric activations have z at the end of the grid, as there.
  package init(_ operand: Operand, bits: Int, symmetric: Bool, estimator: RangeEstimator) {
    self.bits = bits
    self.symmetric = symmetric
    largest = (1 << bits) - 1
    symmetricSteps = estimator == .l24Thresholds ? largest : largest - 1
    switch operand {
    case .activation, .attention:
      includesZero = true
      zeroPoints = 0...largest
    case .weight:
      includesZero = estimator == .minMax
      zeroPoints = bits < 8 ? (largest - 127)...128 : (largest - 32767)...32767
    }
    sidesCount = operand == .activation
  }

  package func grid(_ range: ValueRange) -> Grid {
    var (lower, upper) = (range.lower, range.upper)
    if symmetric {
      if sidesCount, lower >= 0 { return grid(scale: upper / Double(largest), zeroPoint: 0) }
      if sidesCount, upper <= 0 { return grid(scale: -lower / Double(largest), zeroPoint: largest) }
      return grid(scale: 2 * range.magnitude / Double(symmetricSteps), zeroPoint: 1 << (bits - 1))
    }
    if includesZero { (lower, upper) = (min(lower, 0), max(upper, 0)) }
    let scale = max((upper - lower) / Double(largest), Self.smallestScale)
    let exact = roundHalfToEven(-lower / scale)
    // A narrow range far from zero: the scale grows until the far end's q - z is the largest that fits.
    if exact < Double(zeroPoints.lowerBound) {
      return grid(scale: upper / Double(largest - zeroPoints.lowerBound), zeroPoint: zeroPoints.lowerBound)
    }
    if exact > Double(zeroPoints.upperBound) {
      return grid(scale: -lower / Double(zeroPoints.upperBound), zeroPoint: zeroPoints.upperBound)
    }
    return grid(scale: scale, zeroPoint: Int(exact))
  }

  private func grid(scale: Double, zeroPoint: Int) -> Grid {
    Grid(scale: max(scale, Self.smallestScale), zeroPoint: zeroPoint, largest: largest)
  }

  /// The quantiser that is saved and executed: the grid with its scale in Float.
  package func quantizer(_ range: ValueRange) -> AffineQuantizer {
    let grid = grid(range)
    return AffineQuantizer(bits: bits, scale: Float(grid.scale), zeroPoint: grid.zeroPoint)
  }
}
