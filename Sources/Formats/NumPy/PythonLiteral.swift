/// The part of Python's literal notation that NumPy headers use: one dictionary of strings, booleans and tuples of
/// non-negative integers.
struct PythonLiteral {
  enum Value: Equatable {
    case string(String)
    case bool(Bool)
    case tuple([Int])
    /// A list, as the description of structured element types has it; its content is of no interest here.
    case list
  }

  struct Fault: Error {
    let text: String
    let offset: Int
  }

  private let bytes: [UInt8]
  private var offset = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The whole text as a dictionary, in its order.
  mutating func dictionary() throws(Fault) -> [(key: String, value: Value)] {
    try expect("{")
    var fields: [(key: String, value: Value)] = []
    while !take("}") {
      guard fields.count < 8 else { throw fault("more keys than such a header has") }
      let key = try string()
      try expect(":")
      fields.append((key, try value()))
      // A structured type's list is not read to its end; nothing behind it matters.
      if fields.last?.value == .list { return fields + missing(from: fields) }
      if !take(",") {
        try expect("}")
        break
      }
    }
    if peek() != nil { throw fault("text after its end") }
    return fields
  }

  /// Stand-ins for the keys behind a structured type, so that the type is what gets reported.
  private func missing(from fields: [(key: String, value: Value)]) -> [(key: String, value: Value)] {
    let standIns: [(key: String, value: Value)] = [
      ("descr", .list), ("fortran_order", .bool(false)), ("shape", .tuple([])),
    ]
    return standIns.filter { standIn in !fields.contains { $0.key == standIn.key } }
  }

  private func fault(_ text: String) -> Fault { Fault(text: text, offset: offset) }

  private mutating func peek() -> UInt8? {
    while offset < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[offset]) { offset += 1 }
    return offset < bytes.count ? bytes[offset] : nil
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: character) else { return false }
    offset += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(Fault) {
    if !take(character) { throw fault("expected '\(character)'") }
  }

  private mutating func value() throws(Fault) -> Value {
    switch peek() {
    case UInt8(ascii: "'"), UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "("): return .tuple(try tuple())
    case UInt8(ascii: "["): return .list
    case UInt8(ascii: "T") where take(word: "True"): return .bool(true)
    case UInt8(ascii: "F") where take(word: "False"): return .bool(false)
    default: throw fault("expected a string, True, False or a tuple")
    }
  }

  private mutating func take(word: String) -> Bool {
    guard bytes[offset...].starts(with: word.utf8) else { return false }
    offset += word.utf8.count
    return true
  }

  private mutating func string() throws(Fault) -> String {
    guard let quote = peek(), quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else {
      throw fault("expected a string")
    }
    let start = offset + 1
    guard let end = bytes[start...].firstIndex(of: quote) else { throw fault("a string without end") }
    let content = bytes[start..<end]
    guard content.count <= 64, content.allSatisfy({ (0x20...0x7e).contains($0) && $0 != UInt8(ascii: "\\") }) else {
      throw fault("a string of other than up to 64 plain characters")
    }
    offset = end + 1
    return String(decoding: content, as: UTF8.self)
  }

  private mutating func tuple() throws(Fault) -> [Int] {
    try expect("(")
    var values: [Int] = []
    while !take(")") {
      _ = peek()
      let start = offset
      while offset < bytes.count, (0x30...0x39).contains(bytes[offset]) { offset += 1 }
      let digits = bytes[start..<offset]
      guard !digits.isEmpty, digits.count == 1 || digits.first != UInt8(ascii: "0"),
        let value = Int(String(decoding: digits, as: UTF8.self))
      else {
        offset = start
        throw fault("expected a non-negative integer of at most 64 bits")
      }
      values.append(value)
      guard values.count <= 256 else { throw fault("more than 256 numbers in a tuple") }
      if !take(",") {
        // (3) is a number in Python, not a tuple.
        if values.count == 1 { throw fault("expected ','") }
        try expect(")")
        break
      }
    }
    return values
  }
}
