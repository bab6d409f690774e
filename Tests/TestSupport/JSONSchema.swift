import Tensors

/// As much of JSON Schema as the schemas of the fixtures use: types, required and other properties, items, enumerations, a minimum and
/// two formats.
package struct JSONSchema {
  private let schema: ConfigurationValue

  package init(_ schema: ConfigurationValue) { self.schema = schema }

  /// What of `value` the schema does not allow, each with its place.
  package func problems(of value: ConfigurationValue) -> [String] { Self.problems(value, schema, "") }

  private static func problems(_ value: ConfigurationValue, _ schema: ConfigurationValue, _ place: String) -> [String] {
    if case .list(let allowed)? = schema["enum"] {
      return allowed.contains(value) ? [] : ["\(place): \(value.shown) is not one of \(allowed.map(\.shown))"]
    }
    guard case .string(let type)? = schema["type"] else { return ["\(place): the schema says no type"] }
    switch (type, value) {
    case ("string", .string(let text)): return format(text, schema, place)
    case ("boolean", .bool): return []
    case ("integer", .integer(let number)):
      guard case .integer(let least)? = schema["minimum"], number < least else { return [] }
      return ["\(place): \(number) is below \(least)"]
    case ("array", .list(let items)):
      return items.enumerated().flatMap { problems($1, schema["items"] ?? .null, "\(place)[\($0)]") }
    case ("object", .map(let entries)): return object(entries, schema, place)
    default: return ["\(place): expected \(type), found \(value.kind)"]
    }
  }

  private static func object(
    _ entries: [ConfigurationValue.Entry], _ schema: ConfigurationValue, _ place: String
  ) -> [String] {
    var out: [String] = []
    if case .list(let required)? = schema["required"] {
      for case .string(let key) in required where !entries.contains(where: { $0.key == key }) {
        out.append("\(place): lacks \(key)")
      }
    }
    for entry in entries {
      let inside = "\(place).\(entry.key)"
      if let own = schema["properties"]?[entry.key] {
        out += problems(entry.value, own, inside)
      } else if case .map? = schema["additionalProperties"], let others = schema["additionalProperties"] {
        out += problems(entry.value, others, inside)
      } else {
        out.append("\(inside): no such field")
      }
    }
    return out
  }

  private static func format(_ text: String, _ schema: ConfigurationValue, _ place: String) -> [String] {
    let isSound =
      switch schema["format"] {
      case .string("dns-label")?: text.wholeMatch(of: #/[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/#) != nil
      case .string("quantity")?: text.wholeMatch(of: #/[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?/#) != nil
      default: true
      }
    return isSound ? [] : ["\(place): \"\(text)\" is not of its format"]
  }
}
