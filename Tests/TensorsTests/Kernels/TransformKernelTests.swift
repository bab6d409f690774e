import CKernels
import Foundation
import Tensors
import TestSupport
import Testing

/// Float's unit roundoff, 2^-24: tolerances below count roundings.
private let roundoff = 0x1p-24

@Suite struct TransformKernelTests {
  struct Activation: CustomTestStringConvertible, Sendable {
    let name: String
    let code: Int
    let definition: @Sendable (Double) -> Double
    /// Bound on the relative error in units of the roundoff, by counting roundings: the exponential takes 2 (of the sum
    /// 1 + t, and of t which is below 0.42), each operation after it one.
    let roundings: @Sendable (Double) -> Double
    var testDescription: String { name }

    static let all: [Activation] = [
      Activation(name: "none", code: HT_ACTIVATION_NONE, definition: { $0 }, roundings: { _ in 0 }),
      // Exponential, sum, quotient.
      Activation(name: "silu", code: HT_ACTIVATION_SILU, definition: { $0 / (1 + exp(-$0)) }, roundings: { _ in 4 }),
      // Exponential and its correction 3; u, polynomial and its fit 3; two products 2. In the deep tail the polynomial is
      // a small difference of larger terms.
      Activation(
        name: "gelu", code: HT_ACTIVATION_GELU, definition: { $0 * 0.5 * erfc(-$0 / 2.0.squareRoot()) },
        roundings: { $0 > -5 ? 8 : 14 }),
      Activation(name: "relu", code: HT_ACTIVATION_RELU, definition: { max($0, 0) }, roundings: { _ in 0 }),
      // Exponential, sum, product, then sum, quotient and product.
      Activation(
        name: "mish", code: HT_ACTIVATION_MISH, definition: { $0 * tanh(log1p(exp($0))) }, roundings: { _ in 7 }),
    ]
  }

  /// Dense pixels of `channels` channels through one table.
  func run(
    _ table: KernelTable, _ x: [Float], channels: Int, activation: Int = HT_ACTIVATION_NONE, scale: [Float]? = nil,
    shift: [Float]? = nil
  ) -> [Float] {
    var out = [Float](repeating: 0, count: x.count)
    var a = ht_transform()
    a.height = 1
    a.width = Int32(x.count / channels)
    a.channels = Int32(channels)
    a.source_pixel_stride = Int64(channels)
    a.destination_pixel_stride = Int64(channels)
    a.activation = Int32(activation)
    withPointers(x, scale, shift) { x, scale, shift in
      out.withUnsafeMutableBytes { out in
        a.source = x
        a.scale = scale
        a.shift = shift
        a.destination = out.baseAddress
        table.transform(&a)
      }
    }
    return out
  }

  func withPointers(
    _ x: [Float], _ scale: [Float]?, _ shift: [Float]?,
    _ body: (UnsafePointer<Float>?, UnsafePointer<Float>?, UnsafePointer<Float>?) -> Void
  ) {
    x.withUnsafeBufferPointer { x in
      (scale ?? []).withUnsafeBufferPointer { s in
        (shift ?? []).withUnsafeBufferPointer { t in
          body(x.baseAddress, scale == nil ? nil : s.baseAddress, shift == nil ? nil : t.baseAddress)
        }
      }
    }
  }

  /// From tiny to where every activation has reached its limit, both signs, with the special values at the end.
  static let sweep: [Float] = {
    var values = (-12_000...12_000).map { Float($0) / 1000 }
    values += (1...2000).flatMap { [Float($0) / 20, -Float($0) / 20] }
    values += (-126...127).flatMap {
      [Float(sign: .plus, exponent: $0, significand: 1.25), -Float(sign: .plus, exponent: $0, significand: 1.25)]
    }
    return values + specials
  }()
  static let specials: [Float] = [
    0, -0.0, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, .greatestFiniteMagnitude,
  ]

  @Test(arguments: Activation.all) func activationsAreAccurate(activation: Activation) {
    let out = run(.best, Self.sweep, channels: 1, activation: activation.code)
    for (x, y) in zip(Self.sweep.dropLast(Self.specials.count), out) {
      let expected = activation.definition(Double(x))
      // Silu vanishes a little early; results that are no normal Floats have an absolute error.
      let allowed = activation.roundings(Double(x)) * abs(expected) * roundoff + 3e-37
      #expect(abs(Double(y) - expected) <= allowed, "\(activation.name)(\(x)) = \(y), expected \(expected)")
    }
  }

  @Test func activationsKeepSpecialValues() {
    let inputs: [Float] = [.infinity, .nan, 0]
    for activation in Activation.all {
      let out = run(.best, inputs, channels: 1, activation: activation.code)
      #expect(out[0] == .infinity && out[1].isNaN && out[2] == 0, "\(activation.name): \(out)")
    }
  }

  @Test(arguments: Activation.all) func activationsHaveTheSameBitsEverywhere(activation: Activation) {
    let expected = run(.base, Self.sweep, channels: 1, activation: activation.code)
    for table in kernelTables {
      let found = run(table, Self.sweep, channels: 1, activation: activation.code)
      #expect(firstDifference(canonicalBitPatterns(found), canonicalBitPatterns(expected)) == nil, "\(table.name)")
    }
  }

  @Test(arguments: [1, 3, 5, 16, 33, 40, 64]) func scaleAndShiftAreOneFusedOperation(channels: Int) {
    var random = SplitMix64(3)
    let x = random.floats(channels * 7)
    let (scale, shift) = (random.floats(channels), random.floats(channels))
    let zeros = [Float](repeating: 0, count: channels)
    let ones = [Float](repeating: 1, count: channels)
    for (s, t) in [(scale, shift), (nil, shift), (scale, nil), (nil, nil)] as [([Float]?, [Float]?)] {
      let expected = x.indices.map { (t ?? zeros)[$0 % channels].addingProduct(x[$0], (s ?? ones)[$0 % channels]) }
      for table in kernelTables {
        #expect(
          firstDifference(bitPatterns(run(table, x, channels: channels, scale: s, shift: t)), bitPatterns(expected))
            == nil,
          "\(table.name) \(s != nil) \(t != nil)")
      }
    }
  }

  /// Strided on both sides, into the middle of a larger buffer, with and without upsampling.
  @Test(arguments: [1, 3, 5, 16, 33, 40], [0, 1]) func stridesAndUpsampling(channels: Int, shift: Int) {
    var random = SplitMix64(4)
    let (height, width) = (6, 4)
    let (sourcePixel, sourceRow) = (channels + 2, (width >> shift) * (channels + 2) + 3)
    let (pixel, row) = (channels + 5, (width + 2) * (channels + 5))
    let first = row + pixel
    let x = random.floats((height >> shift) * sourceRow)
    let step: Float = 1 / 64
    let zeroPoint = 100
    var floats = [Float](repeating: -9, count: (height + 2) * row)
    var codes = [UInt8](repeating: 77, count: (height + 2) * row)
    for y in 0..<height {
      for xx in 0..<width {
        for c in 0..<channels {
          let value = x[(y >> shift) * sourceRow + (xx >> shift) * sourcePixel + c]
          floats[first + y * row + xx * pixel + c] = value
          codes[first + y * row + xx * pixel + c] = UInt8(code(value, 1 / step, zeroPoint))
        }
      }
    }
    for table in kernelTables {
      var floatsFound = [Float](repeating: -9, count: floats.count)
      var codesFound = [UInt8](repeating: 77, count: codes.count)
      x.withUnsafeBufferPointer { x in
        var a = ht_transform()
        a.source = x.baseAddress
        a.source_row_stride = Int64(sourceRow)
        a.source_pixel_stride = Int64(sourcePixel)
        a.destination_row_stride = Int64(row)
        a.destination_pixel_stride = Int64(pixel)
        a.height = Int32(height)
        a.width = Int32(width)
        a.channels = Int32(channels)
        a.upsample_shift = Int32(shift)
        floatsFound.withUnsafeMutableBufferPointer {
          a.destination = UnsafeMutableRawPointer($0.baseAddress! + first)
          table.transform(&a)
        }
        a.element = Int32(HT_ELEMENT_CODE)
        a.inverse_step = 1 / step
        a.zero_point = Int32(zeroPoint)
        a.largest_code = 255
        codesFound.withUnsafeMutableBufferPointer {
          a.destination = UnsafeMutableRawPointer($0.baseAddress! + first)
          table.transform(&a)
        }
      }
      #expect(firstDifference(floatsFound, floats) == nil, "\(table.name)")
      #expect(firstDifference(codesFound, codes) == nil, "\(table.name)")
    }
  }

  /// The rule of quantisation, scalar and in its plainest form.
  func code(_ x: Float, _ inverse: Float, _ zeroPoint: Int, largest: Int = 255) -> Int {
    let q = (x * inverse).rounded(.toNearestOrEven) + Float(zeroPoint)
    return q.isNaN ? min(max(zeroPoint, 0), largest) : Int(min(max(q, 0), Float(largest)))
  }

  /// Ties, bounds, infinities and NaN, for zero points inside and outside the code range.
  @Test(arguments: [0, 1, 128, 255, -40, 300]) func codesFollowTheRule(zeroPoint: Int) {
    let values = Self.sweep + (-700...700).map { Float($0) / 2 }
    for inverse: Float in [1, 0.5, 31.7, 1e-30, .infinity] {
      for largest in [255, 15, 3] {
        let expected = values.map { code($0, inverse, zeroPoint, largest: largest) }
        for table in kernelTables {
          var found = [UInt8](repeating: 0, count: values.count)
          values.withUnsafeBufferPointer { values in
            found.withUnsafeMutableBytes { found in
              var a = ht_transform()
              a.source = values.baseAddress
              a.destination = found.baseAddress
              a.height = 1
              a.width = 1
              a.channels = Int32(values.count)
              a.element = Int32(HT_ELEMENT_CODE)
              a.inverse_step = inverse
              a.zero_point = Int32(zeroPoint)
              a.largest_code = Int32(largest)
              table.transform(&a)
            }
          }
          #expect(
            firstDifference(found, expected.map { UInt8($0) }) == nil,
            "\(table.name) inverse \(inverse) largest \(largest)")
          let step: Float = 0.0371
          var simulated = values
          simulated.withUnsafeMutableBufferPointer { values in
            var a = ht_simulation()
            a.source = UnsafePointer(values.baseAddress)
            a.destination = values.baseAddress
            a.count = Int64(values.count)
            a.step = step
            a.inverse_step = inverse
            a.zero_point = Int32(zeroPoint)
            a.largest = Int32(largest)
            table.simulate(&a)
          }
          #expect(
            firstDifference(bitPatterns(simulated), bitPatterns(expected.map { step * Float($0 - zeroPoint) })) == nil,
            "\(table.name) inverse \(inverse) largest \(largest)")
        }
      }
    }
  }

  /// A fused pass writes the codes of exactly the floats it would have written.
  @Test(arguments: Activation.all) func fusedCodesAreThoseOfTheFloats(activation: Activation) {
    var random = SplitMix64(6)
    let channels = 40
    let x = random.floats(channels * 9, scale: 6)
    let (scale, shift) = (random.floats(channels), random.floats(channels))
    for table in kernelTables {
      let floats = run(table, x, channels: channels, activation: activation.code, scale: scale, shift: shift)
      var codes = [UInt8](repeating: 0, count: x.count)
      withPointers(x, scale, shift) { x, scale, shift in
        codes.withUnsafeMutableBytes { codes in
          var a = ht_transform()
          a.source = x
          a.scale = scale
          a.shift = shift
          a.destination = codes.baseAddress
          a.height = 1
          a.width = 9
          a.channels = Int32(channels)
          a.source_pixel_stride = Int64(channels)
          a.destination_pixel_stride = Int64(channels)
          a.activation = Int32(activation.code)
          a.element = Int32(HT_ELEMENT_CODE)
          a.inverse_step = 40
          a.zero_point = 120
          a.largest_code = 255
          table.transform(&a)
        }
      }
      #expect(firstDifference(codes, floats.map { UInt8(code($0, 40, 120)) }) == nil, "\(table.name)")
    }
  }
}
