import CKernels
import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct LearnedRoundingKernelTests {
  let alpha: [Float] = [
    -5, -2.3978953, -0.8873032, 0, 0.8873032, 2.3978953, 5, 0.3, -0.4, 1, 2, -2, 0.1, 0.2, 0.5, 0.9, 1.1,
  ]
  let base: [Float] = [3, 4, -2, 15, 14, 0, 7, 8, 9, 1, 2, 15, -1, 0, 5, 6, 7]
  let scale = 0.25
  let zero = 7.0
  let largest = 15.0

  func soft(_ alpha: Double) -> Double { min(max(1.2 / (1 + exp(-alpha)) - 0.1, 0), 1) }
  func weight(_ alpha: Double, _ base: Double, scale: Double) -> Double {
    scale * (min(max(base + soft(alpha), 0), largest) - zero)
  }

  func run(_ kernel: (UnsafePointer<ht_soft_rounding>) -> Void, _ values: [Float], penalty: Float = 0) -> (
    [Float], Float
  ) {
    var values = values
    var scaleGradient: Float = 0
    values.withUnsafeMutableBufferPointer { values in
      alpha.withUnsafeBufferPointer { alpha in
        base.withUnsafeBufferPointer { base in
          withUnsafeMutablePointer(to: &scaleGradient) { scaleGradient in
            var a = ht_soft_rounding(
              alpha: alpha.baseAddress, base: base.baseAddress, values: values.baseAddress, count: Int64(values.count),
              scale: Float(scale), zero_point: Float(zero), largest: Float(largest), penalty: penalty, exponent: 3.5,
              scale_gradient: scaleGradient)
            kernel(&a)
          }
        }
      }
    }
    return (values, scaleGradient)
  }

  @Test func weightsOfLogits() {
    let expected = zip(alpha, base).map { weight(Double($0), Double($1), scale: scale) }
    let blank = [Float](repeating: 0, count: alpha.count)
    for table in kernelTables {
      let found = run(table.softWeights, blank).0
      for (found, expected) in zip(found, expected) { #expect(abs(Double(found) - expected) < 1e-6, "\(table.name)") }
      #expect(bitPatterns(found) == bitPatterns(run(KernelTable.base.softWeights, blank).0))
    }
  }

  @Test func gradientsAgreeWithFiniteDifferencesInDouble() {
    var random = SplitMix64(4)
    let dw = random.floats(alpha.count)
    let penalty = 0.02
    func f(_ i: Int, _ alpha: Double) -> Double {
      Double(dw[i]) * weight(alpha, Double(base[i]), scale: scale)
        + penalty * (1 - pow(abs(2 * soft(alpha) - 1), 3.5))
    }
    let h = 1e-5
    for table in kernelTables {
      let (found, scaleGradient) = run(table.softGradient, dw, penalty: Float(penalty))
      // At the ends of h and of the grid the derivative jumps; there the kernel takes the flat side.
      for i in alpha.indices where ![1, 5].contains(i) {
        let a = Double(alpha[i])
        #expect(abs(Double(found[i]) - (f(i, a + h) - f(i, a - h)) / (2 * h)) < 1e-6, "\(table.name), \(i)")
      }
      func g(_ scale: Double) -> Double {
        alpha.indices.reduce(0) { $0 + Double(dw[$1]) * weight(Double(alpha[$1]), Double(base[$1]), scale: scale) }
      }
      #expect(abs(Double(scaleGradient) - (g(scale + h) - g(scale - h)) / (2 * h)) < 1e-4, "\(table.name)")
      let expected = run(KernelTable.base.softGradient, dw, penalty: Float(penalty))
      #expect(bitPatterns(found) == bitPatterns(expected.0) && scaleGradient == expected.1)
    }
  }

  @Test func adamFollowsItsDefinition() {
    var random = SplitMix64(9)
    let count = 37
    let start = random.floats(count)
    let gradients = (0..<5).map { _ in random.floats(count) }
    var (x, m, v) = (start.map(Double.init), [Double](repeating: 0, count: count), [Double](repeating: 0, count: count))
    for (step, gradient) in gradients.enumerated() {
      for i in 0..<count {
        let g = Double(gradient[i])
        m[i] = 0.9 * m[i] + 0.1 * g
        v[i] = 0.999 * v[i] + 0.001 * g * g
        let (mean, square) = (m[i] / (1 - pow(0.9, Double(step + 1))), v[i] / (1 - pow(0.999, Double(step + 1))))
        x[i] -= 0.01 * mean / (square.squareRoot() + 1e-8)
      }
    }
    for table in kernelTables {
      var found = (start, [Float](repeating: 0, count: count), [Float](repeating: 0, count: count))
      for (step, gradient) in gradients.enumerated() {
        found.0.withUnsafeMutableBufferPointer { values in
          found.1.withUnsafeMutableBufferPointer { mean in
            found.2.withUnsafeMutableBufferPointer { square in
              gradient.withUnsafeBufferPointer { gradient in
                var a = ht_adam(
                  values: values.baseAddress, mean: mean.baseAddress, square: square.baseAddress,
                  gradient: gradient.baseAddress, count: Int64(count), decay1: 0.9, decay2: 0.999,
                  rate: Float(0.01 / (1 - pow(0.9, Double(step + 1)))),
                  square_factor: Float(1 / (1 - pow(0.999, Double(step + 1)))), epsilon: 1e-8)
                table.adam(&a)
              }
            }
          }
        }
      }
      // Steps of 0.01 each carry a relative error of about ten roundings; 1 - 0.999 costs 2e-5 in Float.
      for i in 0..<count { #expect(abs(Double(found.0[i]) - x[i]) < 5 * 0.01 * 3e-5, "\(table.name), \(i)") }
    }
  }
}
