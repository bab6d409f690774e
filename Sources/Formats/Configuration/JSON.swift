import Tensors

/// Strict JSON: RFC 8259 without its leniencies. Keys that stand twice, halves of surrogate pairs, numbers out of range and
/// nesting beyond 64 levels are refused.
package enum JSON {
  /// Far above any configuration (a few KiB), far below what hurts.
  package static let sizeLimit = 16 << 20
  package static let depthLimit = 64

  package static func read(_ path: String, limit: Int = sizeLimit) throws -> ConfigurationValue {
    try parse(InputFile.contents(of: path, limit: limit), file: path)
  }

  /// - Parameter file: what messages name.
  package static func parse(_ bytes: [UInt8], file: String) throws -> ConfigurationValue {
    var parser = Parser(scanner: JSONScanner(bytes))
    do {
      let value = try parser.value(depth: 0)
      try parser.scanner.end()
      return value
    } catch {
      throw FormatError.json(file, error.problem, TextPosition(of: error.offset, in: bytes))
    }
  }

  private struct Parser {
    var scanner: JSONScanner

    mutating func value(depth: Int) throws(JSONFault) -> ConfigurationValue {
      switch scanner.peek() {
      case UInt8(ascii: "{"): return try map(depth: depth + 1)
      case UInt8(ascii: "["): return try list(depth: depth + 1)
      case UInt8(ascii: "\""): return .string(try scanner.string())
      case UInt8(ascii: "t"):
        try scanner.literal("true")
        return .bool(true)
      case UInt8(ascii: "f"):
        try scanner.literal("false")
        return .bool(false)
      case UInt8(ascii: "n"):
        try scanner.literal("null")
        return .null
      default: return try scanner.number()
      }
    }

    private mutating func list(depth: Int) throws(JSONFault) -> ConfigurationValue {
      if depth > JSON.depthLimit { throw scanner.fault(.depth(limit: JSON.depthLimit)) }
      try scanner.expect(UInt8(ascii: "["))
      var items: [ConfigurationValue] = []
      while try scanner.next(close: UInt8(ascii: "]"), first: items.isEmpty) { items.append(try value(depth: depth)) }
      return .list(items)
    }

    private mutating func map(depth: Int) throws(JSONFault) -> ConfigurationValue {
      if depth > JSON.depthLimit { throw scanner.fault(.depth(limit: JSON.depthLimit)) }
      try scanner.expect(UInt8(ascii: "{"))
      var entries: [ConfigurationValue.Entry] = []
      var keys: Set<String> = []
      while try scanner.next(close: UInt8(ascii: "}"), first: entries.isEmpty) {
        _ = scanner.peek()
        let place = scanner.offset
        let key = try scanner.string()
        if !keys.insert(key).inserted { throw scanner.fault(.duplicateKey(key), at: place) }
        try scanner.expect(UInt8(ascii: ":"))
        entries.append(.init(key, try value(depth: depth)))
      }
      return .map(entries)
    }
  }
}
