/// How long work may take, as `--time` writes it: `90s`, `20m`, `2h` or `1h30m`.
package struct WorkTime: Sendable, Equatable, CustomStringConvertible {
  package let seconds: Int
  package let description: String

  package init?(_ text: String) {
    var (seconds, digits, units) = (0, "", "")
    for character in text {
      if character.isASCII, character.isNumber, digits.count < 6 {
        digits.append(character)
        continue
      }
      guard let count = Int(digits), let unit = Self.units[character],
        units.last.flatMap({ Self.units[$0] }).map({ $0 > unit }) ?? true
      else { return nil }
      seconds += count * unit
      units.append(character)
      digits = ""
    }
    guard digits.isEmpty, seconds > 0 else { return nil }
    self.seconds = seconds
    description = text
  }

  private static let units: [Character: Int] = ["h": 3600, "m": 60, "s": 1]
}
