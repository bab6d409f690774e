import CKernels
import Foundation
import Tensors
import TestSupport
import Testing

/// Layer normalisation and GEGLU of rows.
@Suite struct RowFunctionKernelTests {
  private static let rows = 3
  static let widths = [1, 2, 15, 16, 17, 33, 64, 100, 320]

  /// Runs `body` with a place for rows of `channels`, each followed by one value that must stay.
  private func stored(_ channels: Int, _ body: (ht_row_store) -> Void) -> [Float] {
    var out = [Float](repeating: 7, count: Self.rows * (channels + 1))
    out.withUnsafeMutableBufferPointer {
      var store = ht_row_store()
      store.destination = UnsafeMutableRawPointer($0.baseAddress)
      store.row_stride = Int64(channels + 1)
      store.count = Int32(channels)
      body(store)
    }
    #expect((0..<Self.rows).allSatisfy { out[$0 * (channels + 1) + channels] == 7 })
    return (0..<Self.rows).flatMap { out[($0 * (channels + 1))..<($0 * (channels + 1) + channels)] }
  }

  private func layerNorm(_ table: KernelTable, _ x: [Float], _ scale: [Float], _ shift: [Float]) -> [Float] {
    stored(scale.count) { store in
      x.withUnsafeBufferPointer { x in
        scale.withUnsafeBufferPointer { scale in
          shift.withUnsafeBufferPointer { shift in
            var pass = ht_layer_norm(
              source: x.baseAddress, scale: scale.baseAddress, shift: shift.baseAddress, rows: Int32(Self.rows),
              channels: Int32(scale.count), epsilon: 1e-5, out: store)
            table.layerNorm(&pass)
          }
        }
      }
    }
  }

  private func geglu(_ table: KernelTable, _ x: [Float], channels: Int) -> [Float] {
    stored(channels) { store in
      x.withUnsafeBufferPointer { x in
        var pass = ht_geglu(source: x.baseAddress, rows: Int32(Self.rows), channels: Int32(channels), out: store)
        table.geglu(&pass)
      }
    }
  }

  @Test(arguments: widths) func layerNormMatchesTheDefinition(channels: Int) {
    var random = SplitMix64(UInt64(channels))
    // A mean far from zero.
    let x = random.floats(Self.rows * channels, scale: 3).map { $0 + 40 }
    let (scale, shift) = (random.floats(channels, scale: 2), random.floats(channels, scale: 1))
    let base = layerNorm(.base, x, scale, shift)
    for row in 0..<Self.rows {
      let values = x[(row * channels)..<((row + 1) * channels)].map(Double.init)
      let mean = values.reduce(0, +) / Double(channels)
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(channels)
      for c in 0..<channels {
        let expected = (values[c] - mean) / (variance + 1e-5).squareRoot() * Double(scale[c]) + Double(shift[c])
        // The mean's rounding, of values near 40, by the deviation; a single channel has none but the epsilon's.
        let spread = max((variance + 1e-5).squareRoot(), 1e-3)
        #expect(abs(Double(base[row * channels + c]) - expected) < 1e-5 * 4 / min(spread, 1), "\(channels): \(c)")
      }
    }
    for table in kernelTables {
      #expect(
        firstDifference(bitPatterns(layerNorm(table, x, scale, shift)), bitPatterns(base)) == nil, "\(table.name)")
    }
  }

  @Test(arguments: widths) func gegluMatchesTheDefinition(channels: Int) {
    var random = SplitMix64(UInt64(channels))
    let x = random.floats(Self.rows * 2 * channels, scale: 6)
    let base = geglu(.base, x, channels: channels)
    for row in 0..<Self.rows {
      for c in 0..<channels {
        let (value, gate) = (
          Double(x[row * 2 * channels + c]), Double(x[row * 2 * channels + channels + c])
        )
        let expected = value * 0.5 * gate * (1 + erf(gate / 2.0.squareRoot()))
        #expect(abs(Double(base[row * channels + c]) - expected) <= 1e-6 * max(abs(expected), 1), "\(channels): \(c)")
      }
    }
    for table in kernelTables {
      #expect(
        firstDifference(bitPatterns(geglu(table, x, channels: channels)), bitPatterns(base)) == nil, "\(table.name)")
    }
  }

  /// Codes are those of the Float results, for a stretch of the channels and with factors.
  @Test func codesAreOfTheStoredValues() {
    let channels = 37
    var random = SplitMix64(5)
    let x = random.floats(2 * channels, scale: 2)
    let factors = random.floats(channels, scale: 1).map { abs($0) + 0.5 }
    let floats = Array(geglu(.base, x + x + x, channels: channels).prefix(channels))
    for table in kernelTables {
      var codes = [UInt8](repeating: 1, count: channels)
      codes.withUnsafeMutableBufferPointer { codes in
        x.withUnsafeBufferPointer { x in
          factors.withUnsafeBufferPointer { factors in
            let store = ht_row_store(
              destination: UnsafeMutableRawPointer(codes.baseAddress), row_stride: Int64(channels),
              factor: factors.baseAddress, first: 5, count: 30, element: Int32(HT_ELEMENT_CODE), inverse_step: 20,
              zero_point: 90,
              largest_code: 255)
            var pass = ht_geglu(source: x.baseAddress, rows: 1, channels: Int32(channels), out: store)
            table.geglu(&pass)
          }
        }
      }
      let expected = (0..<channels).map { c -> UInt8 in
        guard (5..<35).contains(c) else { return 1 }
        return UInt8(min(max((floats[c] * factors[c] * 20).rounded(.toNearestOrEven) + 90, 0), 255))
      }
      #expect(firstDifference(codes, expected) == nil, "\(table.name)")
    }
  }
}
