import Execution
import Graphs
import Platform
import Tensors

/// The rounding of one layer's weight while it is learned (AdaRound: Nagel et al. 2020, "Up or down? Adaptive rounding for
/// post-training quantization", equations 22 to 24): for each weight a logit alpha whose rectified sigmoid h in [0, 1] is
/// added to the code below the weight, w^ = s (clamp(floor(w / s) + h + z, 0, L - 1) - z).
///
/// Where the starting code is neither of the weight's neighbours (rounding with compensation may move further), the choice
/// is between that code and the next one towards the weight. Scales may be learned with it (Genie: Jeon et al. 2023), the
/// floor staying that of the first scale.
///
/// Straight-through instead, alpha is the code itself before rounding, and gradients pass the rounding unchanged (Bengio
/// et al. 2013); the network then always computes with codes, and each may move as far as its gradient takes it.
/// Arrays are [out][tap][in], as `GradientLayer` has them.
package final class RoundingVariables {
  /// The smallest scale that learning may come to.
  private static let leastScale: Float = 1e-8

  private let bits: Int
  private let zeroPoints: [Int]
  private let rows: Int
  private let rowCount: Int
  private let count: Int
  private let relaxation: Recipe.Relaxation
  /// floor(w / s) + z, where relaxed; empty where the variables are codes themselves.
  private var base: [Float] = []
  private var alpha: [Float]
  private var alphaMoments: AdamMoments
  private var scales: [Float]
  private var scaleGradients: [Float]
  private var scaleMoments: AdamMoments

  private var largest: Int { (1 << bits) - 1 }

  /// - Parameters: weight, start: the float weight and the codes to start from, both [out][tap][in]; trust: how far each
  ///   variable starts from the weight (0: where the soft weight is the weight, or as near to it as rounds to the starting
  ///   code) towards the starting code (1).
  package init(
    weight: [Float], start: [UInt8], quantizer: AffineQuantizer, rows: Int, relaxation: Recipe.Relaxation, trust: Float
  ) throws(KernelError) {
    precondition(weight.count == start.count && quantizer.granularity == .perChannel && quantizer.scales.count == rows)
    bits = quantizer.bits
    zeroPoints = quantizer.zeroPoints
    scales = quantizer.scales
    self.rows = rows
    rowCount = weight.count / max(rows, 1)
    count = weight.count
    self.relaxation = relaxation
    let isRelaxed = relaxation == .rectifiedSigmoid
    do {
      try MemoryBudget.require((isRelaxed ? 16 : 12) * weight.count, for: "the rounding variables of a layer")
    } catch { throw .outOfMemory(error) }
    alpha = [Float](repeating: 0, count: weight.count)
    if isRelaxed { base = alpha }
    alphaMoments = AdamMoments(count: weight.count)
    scaleGradients = [Float](repeating: 0, count: rows)
    scaleMoments = AdamMoments(count: rows)
    for row in 0..<rows {
      let zero = Float(zeroPoints[row])
      for i in (row * rowCount)..<((row + 1) * rowCount) {
        let (exact, code) = (weight[i] / scales[row] + zero, Float(start[i]))
        switch relaxation {
        case .rectifiedSigmoid: (base[i], alpha[i]) = sigmoidStart(exact, code, trust)
        case .straightThrough: alpha[i] = code + (1 - trust) * min(max(exact - code, -Self.margin), Self.margin)
        }
      }
    }
  }

  /// How far from a code a straight-through variable may start: short of the tie at 0.5.
  private static let margin: Float = 0.45

  private func sigmoidStart(_ exact: Float, _ code: Float, _ trust: Float) -> (base: Float, alpha: Float) {
    let largest = Float(largest)
    var floor = exact.rounded(.down)
    // A code at the end of the grid is also that of every weight beyond it.
    let (below, above) = (min(max(floor, 0), largest), min(max(floor + 1, 0), largest))
    if code != below && code != above { floor = code > floor ? code - 1 : code }
    let isUp = min(max(floor + 1, 0), largest) == code && code > min(max(floor, 0), largest)
    let fraction = min(max(exact - floor, 0), 1)
    return (floor, Self.logit(fraction + trust * ((isUp ? 1 : 0) - fraction)))
  }

  /// The alpha whose h is `fraction`: -ln(1.2 / (fraction + 0.1) - 1).
  package static func logit(_ fraction: Float) -> Float { -logf(1.2 / (fraction + 0.1) - 1) }

  /// Writes the soft weights.
  package func write(to values: UnsafeMutablePointer<Float>, kernels: KernelTable, pool: WorkerPool) {
    withRows { rounding in
      pool.parallel(rows) { rounding($0).writeWeights(to: values + $0 * rowCount, kernels: kernels) }
    }
  }

  /// One optimiser step.
  /// - Parameters: gradient: of the loss by the weights; overwritten. penalty, exponent: of the regulariser
  ///   penalty * sum (1 - |2h - 1|^exponent). scaleRate: 0 leaves scales as they are.
  package func step(
    _ gradient: UnsafeMutablePointer<Float>, penalty: Float, exponent: Float, rate: Double, scaleRate: Double,
    kernels: KernelTable, pool: WorkerPool
  ) {
    scaleGradients.withUnsafeMutableBufferPointer { scaleGradients in
      let scaleGradients = scaleGradients
      withRows { rounding in
        pool.parallel(rows) { row in
          scaleGradients[row] = rounding(row).turn(
            gradient + row * rowCount, penalty: penalty, exponent: exponent, kernels: kernels)
        }
      }
    }
    alpha.withUnsafeMutableBufferPointer { alpha in
      guard let alpha = alpha.baseAddress else { return }
      alphaMoments.step(alpha, UnsafePointer(gradient), rate: rate, kernels: kernels, pool: pool)
    }
    if scaleRate > 0 {
      scales.withUnsafeMutableBufferPointer { scales in
        guard let scales = scales.baseAddress else { return }
        scaleMoments.step(scales, scaleGradients, rate: scaleRate, kernels: kernels, pool: pool)
      }
      // Not constrained in the papers' code; a scale of the other sign would be another quantiser.
      for row in 0..<rows { scales[row] = max(scales[row], Self.leastScale) }
    }
  }

  /// The rounding that the variables have come to; h rounds up where alpha >= 0.
  package var frozen: (codes: [UInt8], quantizer: AffineQuantizer) {
    let codes = (0..<count).map { i -> UInt8 in
      let code =
        switch relaxation {
        case .rectifiedSigmoid: base[i] + (alpha[i] >= 0 ? 1 : 0)
        case .straightThrough: roundHalfToEven(alpha[i])
        }
      return UInt8(min(max(code, 0), Float(largest)))
    }
    return (
      codes, AffineQuantizer(bits: bits, granularity: .perChannel, scales: scales, zeroPoints: zeroPoints)
    )
  }

  /// What learning changes; the rest follows from the start.
  var state: [String: [Float]] {
    [
      "variables": alpha, "mean": alphaMoments.mean,
      "square": alphaMoments.square, "scales": scales, "scales.mean": scaleMoments.mean,
      "scales.square": scaleMoments.square,
    ]
  }

  /// Takes over a state after so many steps. - Returns: false, and changes nothing, where it is another layer's.
  func restore(_ state: [String: [Float]], steps: Int) -> Bool {
    guard let alpha = state["variables"], let mean = state["mean"], let square = state["square"],
      let scales = state["scales"], let scaleMean = state["scales.mean"], let scaleSquare = state["scales.square"],
      [alpha, mean, square].allSatisfy({ $0.count == count }),
      [scales, scaleMean, scaleSquare].allSatisfy({ $0.count == rows })
    else { return false }
    self.alpha = alpha
    alphaMoments = AdamMoments(mean: mean, square: square, steps: steps)
    self.scales = scales
    scaleMoments = AdamMoments(mean: scaleMean, square: scaleSquare, steps: steps)
    return true
  }

  /// Runs `body` with what each row's variables stand for.
  private func withRows(_ body: ((Int) -> SoftRounding) -> Void) {
    alpha.withUnsafeBufferPointer { alpha in
      base.withUnsafeBufferPointer { base in
        guard let alpha = alpha.baseAddress else { return }
        let base = base.isEmpty ? nil : base.baseAddress
        body { row in
          SoftRounding(
            variables: alpha + row * rowCount, base: base.map { $0 + row * rowCount }, count: rowCount,
            scale: scales[row], zeroPoint: Float(zeroPoints[row]), largest: Float(largest))
        }
      }
    }
  }
}
