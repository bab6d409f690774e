/// A parsed JSON or YAML value. Maps keep the file's key order. `Formats` parses into it; everyone decodes from it.
package indirect enum ConfigurationValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case list([ConfigurationValue])
  case map([Entry])

  package struct Entry: Sendable, Equatable {
    package let key: String
    package let value: ConfigurationValue
    package init(_ key: String, _ value: ConfigurationValue) {
      self.key = key
      self.value = value
    }
  }

  /// The value under `key` of a map, or nil.
  package subscript(key: String) -> ConfigurationValue? {
    guard case .map(let entries) = self else { return nil }
    return entries.first { $0.key == key }?.value
  }

  /// What the value is, for messages: "a string", "a list", …
  package var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .integer: "an integer"
    case .number: "a number"
    case .string: "a string"
    case .list: "a list"
    case .map: "a map"
    }
  }

  /// The value as messages show it: scalars as they are, containers by kind.
  package var shown: String {
    switch self {
    case .null: "null"
    case .bool(let b): "\(b)"
    case .integer(let i): "\(i)"
    case .number(let d): "\(d)"
    case .string(let s): "\"\(printable(s, limit: 60))\""
    case .list(let l): "a list of \(l.count)"
    case .map(let m): "a map of \(m.count)"
    }
  }
}

extension ConfigurationValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(integerLiteral value: Int) { self = .integer(value) }
  package init(floatLiteral value: Double) { self = .number(value) }
  package init(stringLiteral value: String) { self = .string(value) }
  package init(arrayLiteral elements: ConfigurationValue...) { self = .list(elements) }
  package init(dictionaryLiteral elements: (String, ConfigurationValue)...) {
    self = .map(elements.map { Entry($0.0, $0.1) })
  }
  package init(nilLiteral: ()) { self = .null }
}

extension ConfigurationValue {
  /// The map with the value at a dotted path replaced, added, or removed (nil).
  package func setting(_ path: String, _ value: ConfigurationValue?) -> ConfigurationValue {
    guard case .map(var entries) = self else { return self }
    let parts = path.split(separator: ".", maxSplits: 1).map(String.init)
    let position = entries.firstIndex { $0.key == parts[0] }
    let replacement = parts.count == 1 ? value : (position.map { entries[$0].value } ?? [:]).setting(parts[1], value)
    if let position { entries.remove(at: position) }
    if let replacement { entries.insert(.init(parts[0], replacement), at: position ?? entries.count) }
    return .map(entries)
  }
}
