import Formats
import Tensors
import TestSupport
import Testing

/// Rounding of weights to narrower types, against the hardware's own.
@Suite struct ElementConversionTests {
  private static func bytes(_ values: [Float]) -> [UInt8] { Pickle.floats(values) }
  private static func bytes(_ values: [Double]) -> [UInt8] { StoredTensor(dims: [values.count], values).bytes }

  private static func converted(_ bytes: [UInt8], _ source: ElementType, _ target: ElementType)
    -> (bits: [UInt16], conversion: ElementConversion)
  {
    var conversion = ElementConversion(from: source, to: target)
    let out = conversion.convert(bytes, 0..<bytes.count)
    return (stride(from: 0, to: out.count, by: 2).map { UInt16(out[$0]) | UInt16(out[$0 + 1]) << 8 }, conversion)
  }

  /// Values around every boundary of the 16-bit types, and random bits.
  private static let singles: [Float] = {
    var random = SplitMix64(seed: 7)
    var values: [Float] = [
      0, -0.0, 1, -1, 65504, 65519.996, 65520, -65520, 1e30, .greatestFiniteMagnitude, .leastNonzeroMagnitude, 0x1p-14,
      0x1p-24, 0x1p-25, 0x1.8p-25, 0x1.004p0, 0x1.006p0, 0x1.00cp0, 0x1.ffep-15, 0x1.ffffp-15, .infinity, -.infinity,
    ]
    for _ in 0..<20_000 { values.append(Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))) }
    for _ in 0..<20_000 { values.append(Float.random(in: -70_000...70_000, using: &random)) }
    for _ in 0..<20_000 { values.append(Float.random(in: -1e-4...1e-4, using: &random)) }
    return values.filter { !$0.isNaN }
  }()

  @Test func halfRoundsAsTheHardwareDoes() {
    let (bits, conversion) = Self.converted(Self.bytes(Self.singles), .f32, .f16)
    let expected = Self.singles.map { Float16($0) }
    #expect(bits == expected.map(\.bitPattern))
    #expect(conversion.changed == zip(Self.singles, expected).count { $0 != Float($1) })
    #expect(conversion.overflows == zip(Self.singles, expected).count { $0.isFinite && $1.isInfinite })
    let errors = zip(Self.singles, expected).filter { $1.isFinite }.map { abs(Double($0) - Double($1)) }
    #expect(conversion.largestError == errors.max())
  }

  /// One rounding, not two: by way of Float, 1 + 2^-11 + 2^-40 would become 1.
  @Test func doublesAreRoundedOnce() {
    var random = SplitMix64(seed: 8)
    var values: [Double] = [
      1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-8 + 0x1p-40, -(1 + 0x1p-11 + 0x1p-40), 65519.999999, 1e300, 1e-300,
    ]
    for _ in 0..<20_000 { values.append(Double.random(in: -2...2, using: &random)) }
    for _ in 0..<20_000 { values.append(1 + Double(Int.random(in: 0..<2048, using: &random)) * 0x1p-11 + 0x1p-44) }
    let (half, conversion) = Self.converted(Self.bytes(values), .f64, .f16)
    #expect(half == values.map { Float16($0).bitPattern })
    #expect(conversion.overflows == 1)
    let (brain, _) = Self.converted(Self.bytes([1 + 0x1p-8 + 0x1p-40, 1 + 0x1p-8, 1 + 0x1.8p-7]), .f64, .bf16)
    #expect(brain == [0x3f81, 0x3f80, 0x3f82])
  }

  @Test func bfloatRoundsHalvesToEven() {
    let values: [Float] = [1, 0x1.01p0, 0x1.03p0, 0x1.0101p0, -0x1.03p0, .greatestFiniteMagnitude, .infinity]
    let (bits, conversion) = Self.converted(Self.bytes(values), .f32, .bf16)
    #expect(bits == [0x3f80, 0x3f80, 0x3f82, 0x3f81, 0xbf82, 0x7f80, 0x7f80])
    #expect(conversion.changed == 5 && conversion.overflows == 1)
  }

  /// Every half becomes a Float and comes back.
  @Test func wideningIsExact() {
    let halves = (0...UInt16.max).filter { !Float16(bitPattern: $0).isNaN }
    let stored = halves.flatMap { Pickle.littleEndian(Int($0), 2) }
    for wide in [ElementType.f32, .f64] {
      var out = ElementConversion(from: .f16, to: wide)
      let bytes = out.convert(stored, 0..<stored.count)
      #expect(out.isExact && out.changed == 0)
      #expect(Self.converted(bytes, wide, .f16).bits == halves)
    }
    let (nan, conversion) = Self.converted(Self.bytes([Float.nan]), .f32, .f16)
    #expect(Float16(bitPattern: nan[0]).isNaN && conversion.changed == 0)
  }
}
