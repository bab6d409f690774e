import Tensors

/// JSON text of a value, the same bytes for the same value: keys in the value's own order, doubles by their shortest
/// digits that read back to the same double. JSON has no infinities and no NaN; they are written as null.
package enum JSONWriter {
  /// On one line, without spaces.
  package static func compact(_ value: ConfigurationValue) -> String {
    var out = ""
    write(value, indent: nil, to: &out)
    return out
  }

  /// Indented by two spaces a level, lists of plain values on one line, a line feed at the end.
  package static func pretty(_ value: ConfigurationValue) -> String {
    var out = ""
    write(value, indent: 0, to: &out)
    return out + "\n"
  }

  /// - Parameter indent: the level of nesting, nil for compact text.
  private static func write(_ value: ConfigurationValue, indent: Int?, to out: inout String) {
    switch value {
    case .null: out += "null"
    case .bool(let bool): out += bool ? "true" : "false"
    case .integer(let integer): out += String(integer)
    case .number(let double): out += double.isFinite ? "\(double)" : "null"
    case .string(let text): quote(text, to: &out)
    case .list(let items):
      let plain = items.allSatisfy(\.isScalar)
      container("[", "]", count: items.count, indent: plain ? nil : indent, spaced: indent != nil, to: &out) {
        position, out in
        write(items[position], indent: plain ? nil : indent.map { $0 + 1 }, to: &out)
      }
    case .map(let entries):
      container("{", "}", count: entries.count, indent: indent, spaced: indent != nil, to: &out) { position, out in
        quote(entries[position].key, to: &out)
        out += indent == nil ? ":" : ": "
        write(entries[position].value, indent: indent.map { $0 + 1 }, to: &out)
      }
    }
  }

  private static func container(
    _ open: String, _ close: String, count: Int, indent: Int?, spaced: Bool, to out: inout String,
    _ element: (Int, inout String) -> Void
  ) {
    out += open
    for position in 0..<count {
      if position > 0 { out += indent == nil && spaced ? ", " : "," }
      if let indent { out += "\n" + String(repeating: "  ", count: indent + 1) }
      element(position, &out)
    }
    if let indent, count > 0 { out += "\n" + String(repeating: "  ", count: indent) }
    out += close
  }

  private static func quote(_ text: String, to out: inout String) {
    out += "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\t": out += "\\t"
      case "\r": out += "\\r"
      case "\u{0}"..<"\u{20}", "\u{7f}": out += "\\u00" + hexadecimal(UInt8(scalar.value))
      default: out.unicodeScalars.append(scalar)
      }
    }
    out += "\""
  }
}

extension ConfigurationValue {
  fileprivate var isScalar: Bool {
    switch self {
    case .null, .bool, .integer, .number, .string: true
    case .list, .map: false
    }
  }
}
