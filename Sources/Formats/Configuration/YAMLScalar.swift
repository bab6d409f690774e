import Tensors

/// The meaning of an unquoted scalar: YAML 1.2's core schema, without its octal, hexadecimal and infinite numbers. `no`, `on`
/// and `12:30` are strings, as they look.
enum YAMLScalar {
  static func value(_ text: String) throws(YAMLProblem) -> ConfigurationValue {
    switch text {
    case "", "~", "null", "Null", "NULL": return .null
    case "true", "True", "TRUE": return .bool(true)
    case "false", "False", "FALSE": return .bool(false)
    default: break
    }
    var number = Numeral(text)
    switch number.kind {
    case .none: return .string(text)
    case .special: throw .number(text)
    case .ambiguous: throw .leadingZero(text)
    case .integer:
      if let integer = Int(text) { return .integer(integer) }
      fallthrough
    case .real:
      guard let double = Double(text), double.isFinite else { throw .number(text) }
      return .number(double)
    }
  }

  /// What kind of number a text looks like.
  private struct Numeral {
    enum Kind { case none, integer, real, ambiguous, special }

    private var rest: Substring.UTF8View

    init(_ text: String) { rest = Substring(text).utf8 }

    lazy var kind: Kind = classify()

    private mutating func classify() -> Kind {
      if !take("+") { _ = take("-") }
      if [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"].contains(Substring(rest)) { return .special }
      let start = rest
      let whole = digits()
      if whole == 1, start.first == UInt8(ascii: "0"), isRadixSuffix() { return .ambiguous }
      let leadingZero = whole > 1 && start.first == UInt8(ascii: "0")
      var real = false
      var fraction = 0
      if take(".") {
        real = true
        fraction = digits()
      }
      guard whole + fraction > 0 else { return .none }
      if take("e") || take("E") {
        real = true
        if !take("+") { _ = take("-") }
        if digits() == 0 { return .none }
      }
      guard rest.isEmpty else { return .none }
      return leadingZero ? .ambiguous : real ? .real : .integer
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
      guard rest.first == UInt8(ascii: character) else { return false }
      rest = rest.dropFirst()
      return true
    }

    private mutating func digits() -> Int {
      let end = rest.firstIndex { !(0x30...0x39).contains($0) } ?? rest.endIndex
      defer { rest = rest[end...] }
      return rest.distance(from: rest.startIndex, to: end)
    }

    /// The "x1F" of 0x1F, the "o17" of 0o17, the "b1" of 0b1.
    private func isRadixSuffix() -> Bool {
      guard let radix = rest.first, [0x78, 0x6f, 0x62].contains(radix | 0x20), rest.count > 1 else { return false }
      return rest.dropFirst().allSatisfy { Character(Unicode.Scalar($0)).isHexDigit }
    }
  }
}
