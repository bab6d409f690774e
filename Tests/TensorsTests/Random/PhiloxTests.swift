import Tensors
import Testing

@Suite("Philox 4x32-10")
struct PhiloxTests {
  /// Known answers of the Random123 library (kat_vectors, "philox4x32 10"): counter, key, result. The third line's inputs
  /// are the digits of pi.
  static let knownAnswers: [(counter: SIMD4<UInt32>, key: SIMD2<UInt32>, words: SIMD4<UInt32>)] = [
    (SIMD4(0, 0, 0, 0), SIMD2(0, 0), SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8)),
    (
      SIMD4(repeating: .max), SIMD2(repeating: .max), SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd)
    ),
    (
      SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344), SIMD2(0xa409_3822, 0x299f_31d0),
      SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1)
    ),
  ]

  @Test("known answers of Random123", arguments: 0..<3)
  func knownAnswer(line: Int) {
    let vector = Self.knownAnswers[line]
    #expect(Philox4x32.block(counter: vector.counter, key: vector.key) == vector.words)
  }
}
