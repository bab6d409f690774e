import TestSupport

/// Changes of bytes that know nothing of a format: what a damaged disk, an interrupted copy or a patient enemy leaves.
enum ByteMutations {
  /// One change of `bytes`. - Parameter other: a second valid file of the kind, for splices.
  static func apply(to bytes: inout [UInt8], other: [UInt8], _ random: inout SplitMix64) {
    guard !bytes.isEmpty else { return bytes = other }
    switch Int.random(in: 0..<9, using: &random) {
    case 0:
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      }
    case 1:
      bytes[Int.random(in: 0..<bytes.count, using: &random)] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &random)!
    case 2, 3: writeExtreme(to: &bytes, &random)
    case 4: bytes.removeLast(Int.random(in: 1...bytes.count, using: &random))
    case 5:
      let section = section(of: bytes, &random)
      bytes.insert(contentsOf: Array(bytes[section]), at: Int.random(in: 0...bytes.count, using: &random))
    case 6: bytes.removeSubrange(section(of: bytes, &random))
    case 7:
      let cut = Int.random(in: 0...bytes.count, using: &random)
      bytes = bytes[..<cut] + other.suffix(Int.random(in: 0...other.count, using: &random))
    default:
      let fill = UInt8.random(in: 0...255, using: &random)
      let added = [UInt8](repeating: fill, count: Int.random(in: 1...64, using: &random))
      bytes.insert(contentsOf: added, at: Int.random(in: 0...bytes.count, using: &random))
    }
  }

  /// Puts a number that sizes and offsets are not tested with where there may be one, in either order of bytes.
  private static func writeExtreme(to bytes: inout [UInt8], _ random: inout SplitMix64) {
    let width = [1, 2, 4, 8].randomElement(using: &random)!
    guard bytes.count >= width else { return }
    let size = UInt64(bytes.count)
    let value = [
      0, 1, 2, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff, 1 << 40, 1 << 62,
      0x7fff_ffff_ffff_ffff, 1 << 63, .max, .max - 1, size, size + 1, size &- 1, size * 2,
    ].randomElement(using: &random)!
    let bigEndian = Bool.random(using: &random)
    let start = Int.random(in: 0...(bytes.count - width), using: &random)
    for place in 0..<width {
      let shift = UInt64(8 * (bigEndian ? width - 1 - place : place))
      bytes[start + place] = UInt8(truncatingIfNeeded: value >> shift)
    }
  }

  private static func section(of bytes: [UInt8], _ random: inout SplitMix64) -> Range<Int> {
    let start = Int.random(in: 0..<bytes.count, using: &random)
    return start..<min(bytes.count, start + Int.random(in: 1...256, using: &random))
  }
}
