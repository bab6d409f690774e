import Tensors

/// What is wrong with a JSON text, at a byte of it.
struct JSONFault: Error {
  let problem: JSONProblem
  let offset: Int
}

/// A cursor over the tokens of a JSON text (RFC 8259, strict). It never recurses, so its callers decide how deep to go:
/// the configuration parser to a fixed depth, the safetensors header reader to exactly the levels such a header has.
struct JSONScanner {
  let bytes: [UInt8]
  private(set) var offset = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The next byte that is not white space, or nil at the end.
  mutating func peek() -> UInt8? {
    while offset < bytes.count {
      switch bytes[offset] {
      case 0x20, 0x09, 0x0a, 0x0d: offset += 1
      default: return bytes[offset]
      }
    }
    return nil
  }

  func fault(_ problem: JSONProblem, at place: Int? = nil) -> JSONFault {
    JSONFault(problem: problem, offset: place ?? offset)
  }

  /// The fault "expected … found whatever comes next".
  func unexpected(_ expected: String) -> JSONFault {
    guard offset < bytes.count else { return fault(.syntax(expected: expected, found: "the end of the text")) }
    let byte = bytes[offset]
    let shown = (0x21...0x7e).contains(byte) ? "'\(Character(Unicode.Scalar(byte)))'" : "byte 0x" + hexadecimal(byte)
    return fault(.syntax(expected: expected, found: shown))
  }

  /// Consumes `byte` if it comes next.
  mutating func take(_ byte: UInt8) -> Bool {
    guard peek() == byte else { return false }
    offset += 1
    return true
  }

  mutating func expect(_ byte: UInt8) throws(JSONFault) {
    guard take(byte) else { throw unexpected("'\(Character(Unicode.Scalar(byte)))'") }
  }

  /// Whether another element follows in a list or map that ends with `close`; consumes the comma or `close`.
  mutating func next(close: UInt8, first: Bool) throws(JSONFault) -> Bool {
    if take(close) { return false }
    if first { return true }
    guard take(UInt8(ascii: ",")) else { throw unexpected("',' or '\(Character(Unicode.Scalar(close)))'") }
    return true
  }

  /// Nothing but white space may follow.
  mutating func end() throws(JSONFault) {
    if peek() != nil { throw fault(.trailing) }
  }

  /// Consumes the bare word `word`.
  mutating func literal(_ word: StaticString) throws(JSONFault) {
    let end = offset + word.utf8CodeUnitCount
    guard end <= bytes.count,
      bytes[offset..<end].elementsEqual(UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
    else { throw unexpected("a value") }
    offset = end
  }

  /// Consumes a string, quotes included.
  mutating func string() throws(JSONFault) -> String {
    try expect(UInt8(ascii: "\""))
    let start = offset
    while offset < bytes.count {
      switch bytes[offset] {
      case UInt8(ascii: "\""):
        defer { offset += 1 }
        return try decode(bytes[start..<offset], from: start)
      case UInt8(ascii: "\\"): return try escapedString(from: start)
      case 0..<0x20: throw unexpected("no control character in a string")
      default: offset += 1
      }
    }
    throw unexpected("the end of a string")
  }

  private func decode(_ text: ArraySlice<UInt8>, from start: Int) throws(JSONFault) -> String {
    guard let string = String(validating: text, as: UTF8.self) else { throw fault(.utf8, at: start) }
    return string
  }

  /// The rest of a string that contains escapes.
  private mutating func escapedString(from start: Int) throws(JSONFault) -> String {
    var text = Array(bytes[start..<offset])
    while offset < bytes.count {
      let byte = bytes[offset]
      offset += 1
      switch byte {
      case UInt8(ascii: "\""): return try decode(text[...], from: start)
      case UInt8(ascii: "\\"): text += Array(String(try escape()).utf8)
      case 0..<0x20:
        offset -= 1
        throw unexpected("no control character in a string")
      default: text.append(byte)
      }
    }
    throw unexpected("the end of a string")
  }

  /// The character of one escape, the backslash consumed.
  private mutating func escape() throws(JSONFault) -> Unicode.Scalar {
    guard offset < bytes.count else { throw unexpected("an escape") }
    let byte = bytes[offset]
    offset += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      let place = offset - 2
      let first = try hexDigits()
      if let scalar = Unicode.Scalar(first) { return scalar }
      guard first < 0xdc00, bytes[offset...].starts(with: Array("\\u".utf8)) else { throw fault(.surrogate, at: place) }
      offset += 2
      let second = try hexDigits()
      guard (0xdc00..<0xe000).contains(second),
        let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
      else { throw fault(.surrogate, at: place) }
      return scalar
    default:
      offset -= 1
      throw unexpected("an escape")
    }
  }

  private mutating func hexDigits() throws(JSONFault) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard offset < bytes.count, let digit = Character(Unicode.Scalar(bytes[offset])).hexDigitValue else {
        throw unexpected("four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
      offset += 1
    }
    return value
  }

  /// Consumes a number: `.integer` when it is written without fraction and exponent and fits, else `.number`. "-0" is the
  /// number -0.0.
  mutating func number() throws(JSONFault) -> ConfigurationValue {
    _ = peek()
    let start = offset
    if offset < bytes.count, bytes[offset] == UInt8(ascii: "-") { offset += 1 }
    let whole = offset
    digits()
    let wholeCount = offset - whole
    let leadingZero = wholeCount > 1 && bytes[whole] == UInt8(ascii: "0")
    var wellFormed = wholeCount > 0 && !leadingZero
    var integral = true
    if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
      integral = false
      offset += 1
      wellFormed = digits() > 0 && wellFormed
    }
    if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
      integral = false
      offset += 1
      if offset < bytes.count, [UInt8(ascii: "+"), UInt8(ascii: "-")].contains(bytes[offset]) { offset += 1 }
      wellFormed = digits() > 0 && wellFormed
    }
    let text = String(decoding: bytes[start..<offset], as: UTF8.self)
    if text.isEmpty { throw unexpected("a value") }
    guard wellFormed else { throw fault(.number(text), at: start) }
    if integral, text != "-0", let integer = Int(text) { return .integer(integer) }
    guard let double = Double(text), double.isFinite else { throw fault(.number(text), at: start) }
    return .number(double)
  }

  @discardableResult private mutating func digits() -> Int {
    let start = offset
    while offset < bytes.count, (0x30...0x39).contains(bytes[offset]) { offset += 1 }
    return offset - start
  }
}

func hexadecimal(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }
