import Graphs
import Quantization
import Tensors
import TestSupport
import Testing

@Suite struct RoundingVariablesTests {
  @Test(
    "logits of fractions",
    arguments: [
      (0, -2.3978952728), (0.1, -1.6094379124), (0.25, -0.8873031950), (0.5, 0), (0.75, 0.8873031950),
      (0.9, 1.6094379124),
    ]) func logits(fraction: Double, expected: Double)
  {
    #expect(abs(Double(RoundingVariables.logit(Float(fraction))) - expected) < 1e-6)
  }

  @Test("the regulariser's exponent: off in the warm-up, then from 20 to 2") func exponents() {
    let schedule = RoundingSchedule(iterations: 20000, warmUp: 0.2, first: 20, last: 2)
    #expect(schedule.exponent(at: 1) == nil && schedule.exponent(at: 3999) == nil)
    let expected = [(4000, 20.0), (8000, 15.5), (12000, 11), (16000, 6.5), (20000, 2)]
    for (iteration, value) in expected { #expect(abs((schedule.exponent(at: iteration) ?? 0) - value) < 1e-9) }
    #expect(schedule.decay(at: 10000, .rectifiedSigmoid) == 1)
    #expect(schedule.decay(at: 1, .straightThrough) == 1)
    #expect(abs(schedule.decay(at: 10001, .straightThrough) - 0.5) < 1e-9)
  }

  /// Two rows of a 4-bit weight, values beyond both ends of the grid among them.
  static let weight: [Float] = [-1, -0.31, 0.05, 0.4, 0.93, 2.6, -2, 0.02, 0.33, -0.41, 1.5, 0.7]
  static let quantizer = AffineQuantizer(
    bits: 4, granularity: .perChannel, scales: [0.2, 0.25], zeroPoints: [5, 7])
  static var nearest: [UInt8] { quantizer.codes(weight, channelStride: 6, channelCount: 2) }

  static func variables(
    _ relaxation: Recipe.Relaxation, start: [UInt8] = nearest, trust: Float = 0
  ) throws -> RoundingVariables {
    try RoundingVariables(
      weight: weight, start: start, quantizer: quantizer, rows: 2, relaxation: relaxation, trust: trust)
  }

  static func soft(_ variables: RoundingVariables) -> [Float] {
    var values = [Float](repeating: 0, count: weight.count)
    values.withUnsafeMutableBufferPointer {
      variables.write(to: $0.baseAddress!, kernels: .best, pool: WorkerPool(threads: 1))
    }
    return values
  }

  @Test("soft weights begin as the weights, clipped to the grid") func start() throws {
    let soft = Self.soft(try Self.variables(.rectifiedSigmoid))
    for (i, value) in soft.enumerated() {
      let (scale, zero) = i < 6 ? (Float(0.2), Float(5)) : (0.25, 7)
      let clipped = min(max(Self.weight[i], -scale * zero), scale * (15 - zero))
      #expect(abs(value - clipped) < 2e-6, "\(i)")
    }
  }

  @Test("variables that have not moved give the nearest codes", arguments: Recipe.Relaxation.allCases)
  func unmoved(relaxation: Recipe.Relaxation) throws {
    let frozen = try Self.variables(relaxation).frozen
    #expect(frozen.codes == Self.nearest)
    #expect(frozen.quantizer == Self.quantizer)
  }

  @Test("any starting codes are kept when they are trusted", arguments: Recipe.Relaxation.allCases)
  func trusted(relaxation: Recipe.Relaxation) throws {
    var random = SplitMix64(8)
    let start = Self.weight.map { _ in UInt8(random.next() % 16) }
    let variables = try Self.variables(relaxation, start: start, trust: 1)
    #expect(variables.frozen.codes == start)
    let expected = Self.quantizer.dequantized(start, channelStride: 6, channelCount: 2)
    for (found, expected) in zip(Self.soft(variables), expected) { #expect(abs(found - expected) < 2e-6) }
  }

  @Test("a half rounds up") func ties() throws {
    let quantizer = AffineQuantizer(bits: 4, granularity: .perChannel, scales: [0.5], zeroPoints: [8])
    let variables = try RoundingVariables(
      weight: [0.25, 0.75], start: [8, 10], quantizer: quantizer, rows: 1, relaxation: .rectifiedSigmoid, trust: 0)
    // Nearest rounds both halves to even; alpha = 0 is up.
    #expect(variables.frozen.codes == [9, 10])
  }

  @Test("steps descend, and the regulariser alone drives every variable to an end") func steps() throws {
    let variables = try Self.variables(.rectifiedSigmoid)
    for _ in 0..<400 {
      var gradient = [Float](repeating: 0, count: 12)
      gradient.withUnsafeMutableBufferPointer {
        variables.step(
          $0.baseAddress!, penalty: 1, exponent: 2, rate: 0.02, scaleRate: 0, kernels: .best,
          pool: WorkerPool(threads: 2))
      }
    }
    let hard = Self.quantizer.dequantized(variables.frozen.codes, channelStride: 6, channelCount: 2)
    for (soft, hard) in zip(Self.soft(variables), hard) { #expect(abs(soft - hard) < 1e-5) }
    #expect(variables.frozen.codes == Self.nearest)
  }

  @Test("straight-through variables follow the gradient over several codes, scales theirs") func descent() throws {
    let variables = try Self.variables(.straightThrough)
    let target = Self.weight.map { $0 * 0.5 + 0.1 }
    for _ in 0..<300 {
      var gradient = zip(Self.soft(variables), target).map { 2 * ($0 - $1) }
      gradient.withUnsafeMutableBufferPointer {
        variables.step(
          $0.baseAddress!, penalty: 0, exponent: 2, rate: 0.05, scaleRate: 0.0005, kernels: .best,
          pool: WorkerPool(threads: 1))
      }
    }
    let frozen = variables.frozen
    #expect(frozen.quantizer.scales != Self.quantizer.scales)
    let found = frozen.quantizer.dequantized(frozen.codes, channelStride: 6, channelCount: 2)
    #expect(found == Self.soft(variables))
    // Within one step of the target wherever the grid reaches it.
    for (i, value) in found.enumerated() { #expect(abs(value - target[i]) < (i < 6 ? 0.2 : 0.25) * 1.1, "\(i)") }
  }
}
