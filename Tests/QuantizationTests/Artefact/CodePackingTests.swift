import Quantization
import TestSupport
import Testing

@Suite struct CodePackingTests {
  @Test("codes come back for every row length and bit count", arguments: 2...8) func roundTrip(bits: Int) throws {
    var random = SplitMix64(UInt64(bits))
    for rowLength in 1...33 {
      for rows in [1, 2, 5] {
        let codes = (0..<rows * rowLength).map { _ in UInt8.random(in: 0...UInt8((1 << bits) - 1), using: &random) }
        let packed = CodePacking.pack(codes, rowLength: rowLength, bits: bits)
        #expect(packed.count == rows * CodePacking.bytesPerRow(rowLength, bits: bits))
        #expect(packed.count == rows * (bits <= 4 ? (rowLength + 1) / 2 : rowLength))
        #expect(try CodePacking.unpack(packed, rows: rows, rowLength: rowLength, bits: bits).get() == codes)
      }
    }
  }

  @Test("low half first, rows padded with zero") func layout() {
    #expect(CodePacking.pack([1, 2, 3, 4, 5, 6], rowLength: 3, bits: 4) == [0x21, 0x03, 0x54, 0x06])
  }

  @Test("codes beyond the bits and padding that is not zero are refused") func refusals() {
    #expect(
      CodePacking.unpack([0x21, 0x13], rows: 1, rowLength: 3, bits: 4) == .failure(.padding(row: 0)))
    #expect(
      CodePacking.unpack([0x81], rows: 1, rowLength: 2, bits: 3) == .failure(.code(8, at: 1, largest: 7)))
    #expect(CodePacking.unpack([64], rows: 1, rowLength: 1, bits: 6) == .failure(.code(64, at: 0, largest: 63)))
  }
}
