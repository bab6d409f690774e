import TestSupport

/// Changes of texts of JSON, YAML and Python's literals, word by word: numbers at their extremes, keys under other names, values
/// of other kinds, deep nesting, parts left out and repeated.
enum TextMutations {
  static func apply(to bytes: inout [UInt8], other: [UInt8], _ random: inout SplitMix64) {
    var tokens = tokens(bytes)
    guard !tokens.isEmpty else { return bytes = other }
    let place = Int.random(in: 0..<tokens.count, using: &random)
    switch Int.random(in: 0..<10, using: &random) {
    case 0, 1: replaceWord(in: &tokens, where: isNumber, by: numbers.randomElement(using: &random)!, &random)
    case 2, 3: replaceWord(in: &tokens, where: { !isNumber($0) }, by: rename(tokens[place], &random), &random)
    case 4: replaceWord(in: &tokens, where: { _ in true }, by: values.randomElement(using: &random)!, &random)
    case 5: nest(&tokens, at: place, &random)
    case 6: tokens.remove(at: place)
    case 7:
      let end = min(tokens.count, place + Int.random(in: 1...40, using: &random))
      tokens.insert(contentsOf: tokens[place..<end], at: Int.random(in: 0...tokens.count, using: &random))
    case 8: tokens.swapAt(place, Int.random(in: 0..<tokens.count, using: &random))
    default:
      return ByteMutations.apply(to: &bytes, other: other, &random)
    }
    bytes = Array(tokens.joined())
  }

  private static let numbers: [[UInt8]] = [
    "0", "-0", "-1", "1", "2", "3", "7", "64", "65536", "1000000", "2147483648", "4294967295", "1099511627776",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551616", "1e308", "1e-320",
    "1e999",
    "0.5", "-0.0", "1.0", "007", "0x10", "1_000", ".inf", "NaN", "1e", "1" + String(repeating: "0", count: 400),
  ].map { Array($0.utf8) }

  private static let values: [[UInt8]] = [
    "null", "true", "False", "\"\"", "[]", "{}", "()", "[1,2]", "{\"a\":1}", "~", "&a b", "*a", "<<", "!!int 3", "---",
    "\"\\ud800\"",
    "\"\\u0000\"", "'", "\"",
  ].map { Array($0.utf8) }

  /// Words of letters, digits and what stands in numbers; every other byte by itself. All are parts of `bytes`.
  private static func tokens(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
    var out: [ArraySlice<UInt8>] = []
    out.reserveCapacity(bytes.count)
    var start = 0
    var inWord = false
    for (place, byte) in bytes.enumerated() {
      let isWord =
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x5f, 0x2e, 0x2b, 0x2d, 0x80...: true
        default: false
        }
      if place > start && !(isWord && inWord) {
        out.append(bytes[start..<place])
        start = place
      }
      inWord = isWord
    }
    if start < bytes.count { out.append(bytes[start...]) }
    return out
  }

  private static func isNumber(_ word: ArraySlice<UInt8>) -> Bool {
    let digits = word.first == 0x2d && word.count > 1 ? word.dropFirst() : word
    return (0x30...0x39).contains(digits.first!)
  }

  private static func replaceWord(
    in tokens: inout [ArraySlice<UInt8>], where condition: (ArraySlice<UInt8>) -> Bool, by replacement: [UInt8],
    _ random: inout SplitMix64
  ) {
    let places = tokens.indices.filter { tokens[$0].first! > 0x2c && condition(tokens[$0]) }
    if let place = places.randomElement(using: &random) { tokens[place] = replacement[...] }
  }

  private static func rename(_ word: ArraySlice<UInt8>, _ random: inout SplitMix64) -> [UInt8] {
    switch Int.random(in: 0..<6, using: &random) {
    case 0: []
    case 1: Array(word + word)
    case 2: [UInt8](repeating: 0x61, count: 5000)
    case 3: [0xff, 0xfe]
    case 4: Array("\u{1b}[31m\u{202e}é".utf8)
    default: Array("a/../../b".utf8)
    }
  }

  /// Brackets around everything behind a place, as many as no reader should follow.
  private static func nest(_ tokens: inout [ArraySlice<UInt8>], at place: Int, _ random: inout SplitMix64) {
    let depth = [1, 31, 33, 63, 65, 5000].randomElement(using: &random)!
    let (open, close): (String, String) = [("[", "]"), ("{\"a\":", "}"), ("(", ")"), ("- ", ""), ("{? ", "}")]
      .randomElement(using: &random)!
    tokens.insert(Array(String(repeating: open, count: depth).utf8)[...], at: place)
    let end = Int.random(in: (place + 1)...tokens.count, using: &random)
    tokens.insert(Array(String(repeating: close, count: depth).utf8)[...], at: end)
  }
}
