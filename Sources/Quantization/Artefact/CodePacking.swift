/// Storage of weight codes: a byte each above 4 bits; two to a byte up to 4 bits, the first in the low half, rows padded to
/// whole bytes with a zero.
package enum CodePacking {
  package static func bytesPerRow(_ rowLength: Int, bits: Int) -> Int { bits <= 4 ? (rowLength + 1) / 2 : rowLength }

  /// - Precondition: codes fit `bits`; their count is a multiple of `rowLength`.
  package static func pack(_ codes: [UInt8], rowLength: Int, bits: Int) -> [UInt8] {
    if bits > 4 { return codes }
    var packed: [UInt8] = []
    packed.reserveCapacity((codes.count + 1) / 2)
    for row in stride(from: 0, to: codes.count, by: max(rowLength, 1)) {
      for i in stride(from: row, to: row + rowLength, by: 2) {
        packed.append(codes[i] | (i + 1 < row + rowLength ? codes[i + 1] << 4 : 0))
      }
    }
    return packed
  }

  /// The codes, or what is wrong with them.
  /// - Precondition: `packed.count` is `rows * bytesPerRow`.
  package static func unpack(_ packed: [UInt8], rows: Int, rowLength: Int, bits: Int) -> Result<[UInt8], PackingError> {
    let largest = UInt8((1 << bits) - 1)
    if bits > 4 {
      if let bad = packed.firstIndex(where: { $0 > largest }) {
        return .failure(.code(packed[bad], at: bad, largest: largest))
      }
      return .success(packed)
    }
    let stride = bytesPerRow(rowLength, bits: bits)
    var codes: [UInt8] = []
    codes.reserveCapacity(rows * rowLength)
    for row in 0..<rows {
      for i in 0..<rowLength {
        let byte = packed[row * stride + i / 2]
        let code = i % 2 == 0 ? byte & 15 : byte >> 4
        if code > largest { return .failure(.code(code, at: codes.count, largest: largest)) }
        codes.append(code)
      }
      if rowLength % 2 == 1, packed[row * stride + stride - 1] >> 4 != 0 { return .failure(.padding(row: row)) }
    }
    return .success(codes)
  }

  package enum PackingError: Error, Equatable {
    case code(UInt8, at: Int, largest: UInt8)
    case padding(row: Int)

    package var text: String {
      switch self {
      case .code(let code, let index, let largest): "code \(code) at index \(index), the largest is \(largest)"
      case .padding(let row): "row \(row) is padded with something other than zero"
      }
    }
  }
}
