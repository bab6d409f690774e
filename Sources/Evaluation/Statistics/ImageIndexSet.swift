/// Global image indices as a bitmap: which images went into a sum, so that merging sees overlap and gaps.
package struct ImageIndexSet: Sendable, Equatable {
  /// Largest index + 1; bounds the bitmap to 32 MiB and every sum to the bits it has (`FixedPoint`).
  package static let limit = 1 << 28

  /// Bit i % 64 of word i / 64; the last word is not zero, so that equal sets are equal values.
  private var words: [UInt64] = []

  package init() {}

  /// - Precondition: every index is in 0..<limit.
  package init(_ indices: some Sequence<Int>) { for index in indices { insert(index) } }

  /// - Precondition: 0 <= index < limit.
  package mutating func insert(_ index: Int) {
    precondition((0..<Self.limit).contains(index))
    if index / 64 >= words.count { words += [UInt64](repeating: 0, count: index / 64 + 1 - words.count) }
    words[index / 64] |= 1 << UInt64(index % 64)
  }

  package func contains(_ index: Int) -> Bool {
    index >= 0 && index / 64 < words.count && words[index / 64] >> UInt64(index % 64) & 1 == 1
  }

  package var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }
  package var isEmpty: Bool { words.isEmpty }

  package mutating func formUnion(_ other: ImageIndexSet) {
    if other.words.count > words.count { words += [UInt64](repeating: 0, count: other.words.count - words.count) }
    for (i, word) in other.words.enumerated() { words[i] |= word }
  }

  package func intersection(_ other: ImageIndexSet) -> ImageIndexSet {
    var out = ImageIndexSet()
    out.words = zip(words, other.words).map(&)
    out.trim()
    return out
  }

  /// Indices of the set as inclusive ranges, ascending.
  package var ranges: [ClosedRange<Int>] { runs(of: true, in: 0..<64 * words.count) }

  /// Indices missing between 0 and the largest of the set, as inclusive ranges.
  package var gaps: [ClosedRange<Int>] {
    guard let last = words.last else { return [] }
    return runs(of: false, in: 0..<(64 * words.count - last.leadingZeroBitCount))
  }

  private func runs(of present: Bool, in bounds: Range<Int>) -> [ClosedRange<Int>] {
    let skipped: UInt64 = present ? 0 : .max
    var out: [ClosedRange<Int>] = []
    var (index, start) = (bounds.lowerBound, Int?.none)
    while index < bounds.upperBound {
      if start == nil && index % 64 == 0 && words[index / 64] == skipped {
        index += 64
        continue
      }
      if contains(index) == present {
        start = start ?? index
      } else if let first = start {
        out.append(first...index - 1)
        start = nil
      }
      index += 1
    }
    if let first = start { out.append(first...bounds.upperBound - 1) }
    return out
  }

  // MARK: Bytes: bit i % 8 of byte i / 8 (numpy: unpackbits with bitorder "little")

  package var bytes: [UInt8] {
    var out = words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) } }
    while out.last == 0 { out.removeLast() }
    return out
  }

  /// nil when the bytes reach beyond `limit`.
  package init?(bytes: [UInt8]) {
    guard bytes.count <= Self.limit / 8 else { return nil }
    words = [UInt64](repeating: 0, count: (bytes.count + 7) / 8)
    for (i, byte) in bytes.enumerated() { words[i / 8] |= UInt64(byte) << UInt64(8 * (i % 8)) }
    trim()
  }

  private mutating func trim() {
    while words.last == 0 { words.removeLast() }
  }

  /// "0-63, 128, 130-191".
  package static func text(_ ranges: [ClosedRange<Int>], shown: Int = 50) -> String {
    let parts = ranges.prefix(shown).map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
    let rest = ranges.count > shown ? " and \(ranges.count - shown) more ranges" : ""
    return parts.joined(separator: ", ") + rest
  }
}
