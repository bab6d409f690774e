import Foundation
import Graphs
import Quantization
import Tensors
import TestSupport
import Testing

@Suite struct RangeSearchTests {
  /// The vectors were computed in float64, with NumPy.
  private let w: [Float] = [-1.0, -0.3, 0.05, 0.4, 0.9, 2.0]

  /// Codes as the search sees them, in Double: the saved Float scale may move a tie (0.4 / 0.26… = 1.5) to either side.
  private func search(
    _ estimator: RangeEstimator, bits: Int, symmetric: Bool
  ) -> (grid: Grid, codes: [Int], score: Double) {
    let rule = GridRule(.weight, bits: bits, symmetric: symmetric, estimator: estimator)
    let points = WeightedPoints(w)
    let grid = rule.grid(estimator.range(of: points, extremes: ValueRange(of: w)!, rule: rule))
    let codes = w.map { Int((grid.rounded(Double($0)) / grid.scale).rounded()) + grid.zeroPoint }
    return (grid, codes, points.score(grid))
  }

  @Test("TFMQ-DM's 80 shrinks choose factor 0.97") func shrinks() {
    let found = search(.l24Shrinks, bits: 4, symmetric: false)
    #expect(abs(found.grid.scale - 0.194) < 1e-12)
    #expect(found.grid.zeroPoint == 5)
    #expect(found.codes == [0, 3, 5, 7, 10, 15])
    // The vector is given to six figures.
    #expect(abs(found.score - 0.00113152) < 5e-9)
  }

  @Test("PTQ4DM's 100 thresholds choose the largest magnitude") func thresholds() {
    let found = search(.l24Thresholds, bits: 4, symmetric: true)
    #expect(abs(found.grid.scale - 4.0 / 15) < 1e-15)
    #expect(found.grid.zeroPoint == 8)
    #expect(found.codes == [4, 7, 8, 10, 11, 15])
    #expect(abs(found.score - 0.00373434) < 5e-9)
  }

  @Test("min-max, asymmetric") func extremes() {
    let found = search(.minMax, bits: 4, symmetric: false)
    #expect(abs(found.grid.scale - 0.2) < 1e-15)
    #expect(found.grid.zeroPoint == 5)
  }

  @Test("symmetric 8-bit codes, ties to even") func symmetric() {
    let found = search(.minMax, bits: 8, symmetric: true)
    #expect(abs(found.grid.scale - 2.0 / 127) < 1e-15)
    #expect(found.codes.map { $0 - 128 } == [-64, -19, 3, 25, 57, 127])
  }

  @Test("the power of the score agrees with the C library's") func power() {
    var random = SplitMix64(7)
    for _ in 0..<20_000 {
      let x = exp2(Double.random(in: -400...400, using: &random))
      // A few units in the last place, and the C library's exponent: the Double nearest 12 / 5 is off by 8.9e-17.
      #expect(abs(power2_4(x) / pow(x, 2.4) - 1) < 2e-15 + 1e-16 * abs(log(x)), "\(x)")
    }
    #expect(power2_4(0) == 0)
    #expect(power2_4(1e-200) == 0)
    #expect(power2_4(1e200) == .infinity)
  }

  @Test("a search never scores worse than the extremes", arguments: [2, 3, 4, 8]) func neverWorse(bits: Int) {
    var random = SplitMix64(UInt64(bits))
    for _ in 0..<20 {
      // Heavy tails, where shrinking pays.
      let values = random.floats(200).map { $0 * $0 * $0 * 3 + 0.1 }
      for symmetric in [true, false] {
        let points = WeightedPoints(values)
        let rule = GridRule(.weight, bits: bits, symmetric: symmetric, estimator: .l24Shrinks)
        let extremes = ValueRange(of: values)!
        let found = RangeEstimator.l24Shrinks.range(of: points, extremes: extremes, rule: rule)
        #expect(points.score(rule.grid(found)) <= points.score(rule.grid(extremes)))
      }
    }
  }
}

@Suite struct OtherEstimatorTests {
  private func found(_ estimator: RangeEstimator, _ values: [Float], bits: Int = 8) -> ValueRange {
    let rule = GridRule(.activation, bits: bits, symmetric: false, estimator: estimator)
    return estimator.range(of: WeightedPoints(values), extremes: ValueRange(of: values)!, rule: rule)
  }

  @Test("values on a grid keep their extremes", arguments: [RangeEstimator.l1Shrinks, .cosineShrinks])
  func exact(estimator: RangeEstimator) {
    let values = (0...255).map { Float($0) - 100 }
    #expect(found(estimator, values) == ValueRange(lower: -100, upper: 155))
  }

  @Test("one far value among many is given up") func outlier() {
    // 4 bits: keeping 30 leaves steps of 2, which makes zeros of 10,000 values of magnitude 0.5. Giving it up costs at
    // most 24 (the smallest factor is 0.21) and takes their error from 0.5 to 0.42 / 2 each.
    let values = (0..<10_000).map { $0 % 2 == 0 ? Float(0.5) : -0.0 } + [30]
    #expect(found(.l1Shrinks, values, bits: 4).upper < 10)
    let rule = GridRule(.activation, bits: 4, symmetric: false, estimator: .cosineShrinks)
    let points = WeightedPoints(values)
    #expect(points.angle(rule.grid(found(.cosineShrinks, values, bits: 4))) < 0.13)
    #expect(points.angle(rule.grid(ValueRange(lower: 0, upper: 30))) > 0.34)
  }

  @Test("the percentile of magnitudes clips both sides") func percentile() {
    // 9,996 of 10,000 magnitudes are at most 0.9996.
    let values = (1...10_000).map { Float($0) / 10_000 * ($0 % 2 == 0 ? 1 : -1) }
    let range = found(.percentile, values)
    #expect(abs(range.upper - 0.9996) < 1e-6 && abs(range.lower + 0.9996) < 1e-6)
    #expect(found(.percentile, [0, 0, 1]) == ValueRange(lower: 0, upper: 1))
  }

  @Test("divergence keeps a uniform range and clips a thin tail") func divergence() {
    let uniform = (0..<100_000).map { Float($0) / 100_000 }
    #expect(found(.divergence, uniform, bits: 4).upper > 0.97)
    // Half a bell of width 2, and one value twenty times as far.
    var random = SplitMix64(3)
    let bell = (0..<50_000).map { _ in abs(random.floats(12).reduce(0, +)) } + [40]
    #expect(found(.divergence, bell, bits: 4).upper < 25)
  }

  @Test("constant values have a range under every estimator", arguments: RangeEstimator.allCases)
  func constant(estimator: RangeEstimator) {
    for value in [Float(0), 2, -2] {
      let range = found(estimator, [value, value])
      let grid = GridRule(.activation, bits: 8, symmetric: false, estimator: estimator).grid(range)
      #expect(abs(grid.rounded(Double(value)) - Double(value)) <= 0.5 * grid.scale + 1e-9)
    }
  }
}

@Suite struct GridRuleTests {
  @Test("weight codes less their zero point are signed bytes below 8 bits", arguments: 2...7)
  func signedBytes(bits: Int) {
    var random = SplitMix64(UInt64(bits))
    let rule = GridRule(.weight, bits: bits, symmetric: false, estimator: .l24Shrinks)
    for _ in 0..<500 {
      // Channels far from zero on either side, and around it.
      let centre = Double.random(in: -10...10, using: &random)
      let width = exp2(Double.random(in: -12...4, using: &random))
      let grid = rule.grid(ValueRange(lower: centre - width, upper: centre + width))
      #expect(-128...127 ~= -grid.zeroPoint && -128...127 ~= grid.largest - grid.zeroPoint)
      // The ends stay within half a step of the grid where the range does not shrink it away from them.
      #expect(abs(grid.rounded(centre + width) - (centre + width)) <= 0.51 * grid.scale + 1e-9 * abs(centre))
      #expect(abs(grid.rounded(centre - width) - (centre - width)) <= 0.51 * grid.scale + 1e-9 * abs(centre))
    }
  }

  @Test("a constant channel is represented exactly") func constant() {
    for value in [3.0, -3.0] {
      for bits in 2...8 {
        let rule = GridRule(.weight, bits: bits, symmetric: false, estimator: .l24Shrinks)
        #expect(abs(rule.grid(ValueRange(lower: value, upper: value)).rounded(value) - value) < 1e-12)
      }
    }
  }

  @Test("zero has a code under every activation range") func zero() {
    for range in [(-1.0, 3.0), (0.5, 3), (-3, -0.5), (0, 0), (-1e-12, 1e-12)].map(ValueRange.init) {
      for symmetric in [true, false] {
        let grid = GridRule(.activation, bits: 8, symmetric: symmetric, estimator: .minMax).grid(range)
        #expect(0...255 ~= grid.zeroPoint)
        #expect(grid.rounded(0) == 0)
        #expect(grid.scale >= 1e-8)
      }
    }
  }

  @Test("one-sided symmetric activations use all codes on their side") func oneSided() {
    let rule = GridRule(.activation, bits: 8, symmetric: true, estimator: .l24Thresholds)
    #expect(rule.grid(ValueRange(lower: 0, upper: 2.55)) == Grid(scale: 2.55 / 255, zeroPoint: 0, largest: 255))
    #expect(rule.grid(ValueRange(lower: -2.55, upper: 0)) == Grid(scale: 2.55 / 255, zeroPoint: 255, largest: 255))
    #expect(rule.grid(ValueRange(lower: -1, upper: 2.55)).zeroPoint == 128)
  }

  @Test(
    "the right operand of an attention product has its zero point in the middle, one-sided or not", arguments: [4, 8])
  func rightOperand(bits: Int) {
    let rule = GridRule(.attention, bits: bits, symmetric: true, estimator: .minMax)
    for range in [(0.0, 3.0), (-3, 0), (-3, 1), (0, 0)].map(ValueRange.init) {
      #expect(rule.grid(range).zeroPoint == 1 << (bits - 1))
    }
    #expect(rule.grid(ValueRange(lower: 0, upper: 3)).scale == 6 / Double((1 << bits) - 2))
  }

  @Test("symmetric weights have their zero point in the middle by definition", arguments: 2...8) func middle(bits: Int)
  {
    for estimator in RangeEstimator.allCases {
      let rule = GridRule(.weight, bits: bits, symmetric: true, estimator: estimator)
      #expect(rule.grid(ValueRange(lower: 0.1, upper: 2)).zeroPoint == 1 << (bits - 1))
    }
  }
}

@Suite struct ValueRangeTests {
  @Test("extremes of any length, found where they stand", arguments: [1, 2, 15, 16, 17, 31, 32, 33, 100])
  func extremes(count: Int) {
    for position in 0..<count {
      var values = [Float](repeating: 0.5, count: count)
      values[position] = 2
      #expect(ValueRange(of: values) == ValueRange(lower: count == 1 ? 2 : 0.5, upper: 2))
      values[position] = -2
      #expect(ValueRange(of: values) == ValueRange(lower: -2, upper: count == 1 ? -2 : 0.5))
      for bad in [Float.nan, .infinity, -.infinity] {
        values[position] = bad
        #expect(ValueRange(of: values) == nil)
      }
    }
  }

  @Test("nothing has no range") func empty() { #expect(ValueRange(of: [Float]()) == nil) }
}

@Suite struct WeightedPointsTests {
  @Test("a histogram scores like the values themselves") func histogram() {
    var random = SplitMix64(11)
    let values = random.floats(50_000).map { $0 * $0 * $0 * 4 }
    let extremes = ValueRange(of: values)!
    var grouped = WeightedPoints()
    for start in stride(from: 0, to: values.count, by: 10_000) {
      let part = Array(values[start..<start + 10_000])
      grouped.append(part, extremes: ValueRange(of: part)!)
    }
    #expect(grouped.values.count <= 4 * WeightedPoints.binCount)
    #expect(grouped.weights.reduce(0, +) == 50_000)
    let rule = GridRule(.activation, bits: 8, symmetric: false, estimator: .l24Shrinks)
    let exact = WeightedPoints(values)
    for shrink in stride(from: 0.4, through: 1, by: 0.1) {
      let grid = rule.grid(ValueRange(lower: extremes.lower * shrink, upper: extremes.upper * shrink))
      // A bin is at most 1/16 of a step wide and stands for its mean; errors average out over many values.
      #expect(abs(grouped.score(grid) / exact.score(grid) - 1) < 0.02)
    }
  }
}

@Suite struct WeightRoundingTests {
  @Test("each output channel has its own range; codes reproduce the weight to half a step") func perChannel() {
    var random = SplitMix64(5)
    let weight = Tensor(
      [6, 4, 3, 3], (0..<6).flatMap { channel in random.floats(36).map { $0 * exp2(Float(channel)) } })
    for bits in [4, 8] {
      let settings = Recipe.Weights(
        bits: bits, symmetric: true, range: .minMax, rounding: .nearest, biasCorrection: false)
      let rounded = settings.roundToNearest(weight)
      #expect(rounded.dims == weight.dims)
      #expect(rounded.quantizer.granularity == .perChannel)
      #expect(rounded.quantizer.zeroPoints == [Int](repeating: 1 << (bits - 1), count: 6))
      for (i, value) in rounded.dequantized.values.enumerated() {
        // Half a step, and the Float rounding of scale and product.
        #expect(abs(value - weight.values[i]) <= 0.5001 * rounded.quantizer.scales[i / 36])
      }
    }
  }

  @Test("an all-zero channel stays zero") func zeros() {
    for symmetric in [true, false] {
      for range in [RangeEstimator.minMax, .l24Shrinks] {
        let settings = Recipe.Weights(
          bits: 4, symmetric: symmetric, range: range, rounding: .nearest, biasCorrection: false)
        let rounded = settings.roundToNearest(Tensor([2, 5]))
        #expect(rounded.dequantized == Tensor([2, 5]))
      }
    }
  }
}
