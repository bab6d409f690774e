import CKernels
import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct GradientKernelTests {
  static let counts = [1, 15, 16, 17, 40, 100]

  /// The derivative of an activation in Double, from its definition.
  static func derivative(_ code: Int, _ x: Double) -> Double {
    let sigmoid = 1 / (1 + exp(-x))
    switch code {
    case HT_ACTIVATION_SILU: return sigmoid * (1 + x * (1 - sigmoid))
    case HT_ACTIVATION_GELU:
      return 0.5 * erfc(-x * 0.5.squareRoot()) + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot()
    case HT_ACTIVATION_RELU: return x > 0 ? 1 : 0
    case HT_ACTIVATION_MISH:
      let t = tanh(log1p(exp(x)))
      return t + x * (1 - t * t) * sigmoid
    default: return 1
    }
  }

  @Test(
    arguments: [
      HT_ACTIVATION_NONE, HT_ACTIVATION_SILU, HT_ACTIVATION_GELU, HT_ACTIVATION_RELU, HT_ACTIVATION_MISH,
    ], counts)
  func activationGradients(code: Int, count: Int) {
    var random = SplitMix64(UInt64(count))
    let x = random.floats(count, scale: 12)
    let dy = random.floats(count)
    let before = random.floats(count)
    func run(_ table: KernelTable, accumulate: Bool) -> [Float] {
      var dx = before
      dx.withUnsafeMutableBufferPointer { dx in
        x.withUnsafeBufferPointer { x in
          dy.withUnsafeBufferPointer { dy in
            var a = ht_activation_gradient(
              x: x.baseAddress, dy: dy.baseAddress, dx: dx.baseAddress, count: Int64(count), activation: Int32(code),
              accumulate: accumulate ? 1 : 0)
            table.activationGradient(&a)
          }
        }
      }
      return dx
    }
    let base = run(.base, accumulate: false)
    for i in 0..<count {
      let expected = Double(dy[i]) * Self.derivative(code, Double(x[i]))
      // A handful of roundings of terms up to |x| in size, which may cancel.
      #expect(abs(Double(base[i]) - expected) < 16 * 0x1p-24 * abs(Double(dy[i])) * max(1, abs(Double(x[i]))))
    }
    for table in kernelTables {
      #expect(firstDifference(bitPatterns(run(table, accumulate: false)), bitPatterns(base)) == nil, "\(table.name)")
      let sums = zip(before, base).map { $0 + $1 }
      #expect(firstDifference(bitPatterns(run(table, accumulate: true)), bitPatterns(sums)) == nil, "\(table.name)")
    }
  }

  @Test(arguments: [1, 3, 16, 33, 64]) func channelSumsAndBlends(channels: Int) {
    var random = SplitMix64(UInt64(channels))
    let pixels = 7
    let (dy, x) = (random.floats(pixels * channels), random.floats(pixels * channels))
    let centre = random.floats(channels)
    let (dyScale, xScale, offset) = (random.floats(channels), random.floats(channels), random.floats(channels))
    var sums = [Float](repeating: 0, count: channels)
    var products = sums
    var blend = dy
    for i in dy.indices {
      let c = i % channels
      sums[c] += dy[i]
      products[c].addProduct(dy[i], x[i] - centre[c])
      blend[i] = offset[c].addingProduct(x[i], xScale[c]).addingProduct(dy[i], dyScale[c])
    }
    for table in kernelTables {
      var found = ([Float](repeating: -1, count: channels), [Float](repeating: -1, count: channels), dy)
      dy.withUnsafeBufferPointer { dy in
        x.withUnsafeBufferPointer { x in
          centre.withUnsafeBufferPointer { centre in
            found.0.withUnsafeMutableBufferPointer { sums in
              found.1.withUnsafeMutableBufferPointer { products in
                var a = ht_channel_products(
                  dy: dy.baseAddress, x: x.baseAddress, center: centre.baseAddress, sums: sums.baseAddress,
                  products: products.baseAddress, pixels: Int32(pixels), channels: Int32(channels))
                table.channelProducts(&a)
              }
            }
          }
          found.2.withUnsafeMutableBufferPointer { out in
            dyScale.withUnsafeBufferPointer { dyScale in
              xScale.withUnsafeBufferPointer { xScale in
                offset.withUnsafeBufferPointer { offset in
                  var a = ht_channel_blend(
                    dy: dy.baseAddress, x: x.baseAddress, dy_scale: dyScale.baseAddress, x_scale: xScale.baseAddress,
                    offset: offset.baseAddress, out: out.baseAddress, pixels: Int32(pixels),
                    channels: Int32(channels), accumulate: 0)
                  table.channelBlend(&a)
                }
              }
            }
          }
        }
      }
      #expect(firstDifference(bitPatterns(found.0), bitPatterns(sums)) == nil, "\(table.name)")
      #expect(firstDifference(bitPatterns(found.1), bitPatterns(products)) == nil, "\(table.name)")
      #expect(firstDifference(bitPatterns(found.2), bitPatterns(blend)) == nil, "\(table.name)")
    }
  }

  @Test(arguments: [1, 5, 16, 49, 64]) func softmaxGradients(columns: Int) {
    var random = SplitMix64(UInt64(columns))
    let p = (0..<columns).map { _ in Float(1) / Float(columns) }
    let dy = random.floats(columns)
    func run(_ table: KernelTable) -> [Float] {
      var dx = [Float](repeating: 7, count: columns)
      dx.withUnsafeMutableBufferPointer { dx in
        p.withUnsafeBufferPointer { p in
          dy.withUnsafeBufferPointer { dy in
            var a = ht_softmax_gradient(
              p: p.baseAddress, dy: dy.baseAddress, dx: dx.baseAddress, rows: 1, columns: Int32(columns), accumulate: 0)
            table.softmaxGradient(&a)
          }
        }
      }
      return dx
    }
    let base = run(.base)
    let inner = zip(p, dy).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
    for i in 0..<columns {
      #expect(abs(Double(base[i]) - Double(p[i]) * (Double(dy[i]) - inner)) < 8 * 0x1p-24 * Double(p[i]))
    }
    for table in kernelTables {
      #expect(firstDifference(bitPatterns(run(table)), bitPatterns(base)) == nil, "\(table.name)")
    }
  }
}
