import Tensors

/// The header of a safetensors file: JSON of at most four levels, read by a flat scanner that allocates no more than the
/// header's own size allows, then checked as a whole: the tensors must cover the data area exactly, without overlap or hole.
struct SafetensorsHeader {
  static let sizeLimit = 100_000_000
  /// More axes than any layout in use; NumPy stops at 64.
  static let rankLimit = 32
  static let nameLimit = 1024

  /// A tensor and where its bytes stand in the file.
  struct Entry {
    let entry: WeightEntry
    let range: Range<Int>
    /// Where its name stands in the file.
    let place: Int
    var name: String { entry.name }
  }

  var metadata: [String: String] = [:]
  var entries: [Entry] = []

  private var scanner: JSONScanner
  /// The header's offset in the file, for messages.
  private let base: Int

  /// - Parameter dataSize: bytes after the header.
  init(_ bytes: [UInt8], at base: Int, dataSize: Int) throws(SafetensorsProblem) {
    scanner = JSONScanner(bytes)
    self.base = base
    // The format asks for '{' as the very first byte, so that no other format can hide in leading white space.
    guard bytes.first == UInt8(ascii: "{") else {
      throw .structure("it must start with '{'", at: base)
    }
    do {
      try readHeader()
    } catch let fault as JSONFault {
      throw .json(fault.problem, at: base + fault.offset)
    } catch let problem as SafetensorsProblem {
      throw problem
    } catch {
      preconditionFailure("no other error is thrown here: \(error)")
    }
    entries.sort { $0.name < $1.name }
    for (entry, next) in zip(entries, entries.dropFirst()) where entry.name == next.name {
      throw .duplicate(entry.name, at: max(entry.place, next.place))
    }
    for index in entries.indices { try checkEntry(entries[index], end: base + bytes.count + dataSize) }
    try checkCoverage(start: base + bytes.count, end: base + bytes.count + dataSize)
  }

  // MARK: Reading

  private var place: Int { base + scanner.offset }

  private mutating func readHeader() throws {
    let dataStart = base + scanner.bytes.count
    try scanner.expect(UInt8(ascii: "{"))
    var first = true
    var hasMetadata = false
    while try scanner.next(close: UInt8(ascii: "}"), first: first) {
      first = false
      _ = scanner.peek()
      let at = place
      let name = try scanner.string()
      try scanner.expect(UInt8(ascii: ":"))
      if name == "__metadata__" {
        if hasMetadata { throw SafetensorsProblem.duplicate(name, at: at) }
        hasMetadata = true
        try readMetadata()
      } else {
        try checkName(name, at: at)
        entries.append(try readEntry(name, at: at, dataStart: dataStart))
      }
    }
    try scanner.end()
  }

  private func checkName(_ name: String, at: Int) throws(SafetensorsProblem) {
    if name.utf8.count > Self.nameLimit {
      throw .name("of \(name.utf8.count) bytes, over the limit of \(Self.nameLimit)", at: at)
    }
    if name.isEmpty { throw .name("is empty", at: at) }
    if name.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f }) {
      throw .name("\(quoted(name)) contains control characters", at: at)
    }
  }

  private mutating func readMetadata() throws {
    // The reference reader takes null for no metadata.
    if scanner.peek() == UInt8(ascii: "n") { return try scanner.literal("null") }
    guard scanner.take(UInt8(ascii: "{")) else {
      throw SafetensorsProblem.metadata("__metadata__ must be a map of strings", at: place)
    }
    while try scanner.next(close: UInt8(ascii: "}"), first: metadata.isEmpty) {
      _ = scanner.peek()
      let at = place
      let key = try scanner.string()
      try scanner.expect(UInt8(ascii: ":"))
      guard scanner.peek() == UInt8(ascii: "\"") else {
        throw SafetensorsProblem.metadata("the value of \(quoted(key)) must be a string", at: place)
      }
      if metadata.updateValue(try scanner.string(), forKey: key) != nil {
        throw SafetensorsProblem.duplicate(key, at: at)
      }
    }
  }

  private mutating func readEntry(_ name: String, at: Int, dataStart: Int) throws -> Entry {
    var typeName: String?
    var dims: [Int]?
    var offsets: [Int]?
    guard scanner.take(UInt8(ascii: "{")) else {
      throw SafetensorsProblem.structure("the value of \(quoted(name)) must be a map", at: place)
    }
    var first = true
    while try scanner.next(close: UInt8(ascii: "}"), first: first) {
      first = false
      _ = scanner.peek()
      let keyPlace = place
      let key = try scanner.string()
      try scanner.expect(UInt8(ascii: ":"))
      switch key {
      case "dtype" where typeName == nil:
        guard scanner.peek() == UInt8(ascii: "\"") else {
          throw SafetensorsProblem.structure("dtype of \(quoted(name)) must be a string", at: place)
        }
        typeName = try scanner.string()
      case "shape" where dims == nil:
        dims = try integers(limit: Self.rankLimit) { .shape($0, name: name) }
      case "data_offsets" where offsets == nil:
        offsets = try integers(limit: 2) { .offsets($0, name: name) }
      case "dtype", "shape", "data_offsets":
        throw SafetensorsProblem.duplicate(key, at: keyPlace)
      default:
        throw SafetensorsProblem.structure("\(quoted(name)) has an unknown key \(quoted(key))", at: keyPlace)
      }
    }
    guard let typeName, let dims, let offsets else {
      let missing = typeName == nil ? "dtype" : dims == nil ? "shape" : "data_offsets"
      throw SafetensorsProblem.structure("\(quoted(name)) has no \(missing)", at: at)
    }
    guard let type = ElementType(rawValue: typeName) else {
      throw SafetensorsProblem.elementType(typeName, name: name)
    }
    guard offsets.count == 2, offsets[0] <= offsets[1] else {
      throw SafetensorsProblem.offsets(
        "data_offsets \(shown(offsets)) must be a start and an end not before it", name: name)
    }
    let (end, overflow) = offsets[1].addingReportingOverflow(dataStart)
    if overflow { throw SafetensorsProblem.offsets("data_offsets \(shown(offsets)) lie outside any file", name: name) }
    return Entry(
      entry: WeightEntry(name: name, type: type, dims: dims), range: (offsets[0] + dataStart)..<end, place: at)
  }

  /// A list of non-negative integers, written as such: 1.0, 1e3, -0 and "12" are refused.
  private mutating func integers(limit: Int, _ problem: (String) -> SafetensorsProblem) throws -> [Int] {
    guard scanner.take(UInt8(ascii: "[")) else { throw problem("expected a list of integers") }
    var values: [Int] = []
    while try scanner.next(close: UInt8(ascii: "]"), first: values.isEmpty) {
      guard let byte = scanner.peek(), (0x30...0x39).contains(byte), case .integer(let value) = try scanner.number()
      else {
        throw problem("expected non-negative integers in plain decimal digits (header byte \(place))")
      }
      if values.count == limit { throw problem("more than \(limit) numbers in a list") }
      values.append(value)
    }
    return values
  }

  // MARK: Checking

  private func checkEntry(_ entry: Entry, end: Int) throws(SafetensorsProblem) {
    guard let expected = byteCount(entry.entry.dims, elementSize: entry.entry.type.byteCount) else {
      throw .shape("shape \(shown(entry.entry.dims)) has more elements than can be counted", name: entry.name)
    }
    if expected != entry.range.count {
      throw .size(name: entry.name, expected: expected, found: entry.range.count)
    }
    if entry.range.upperBound > end { throw .truncated(name: entry.name, end: entry.range.upperBound, size: end) }
  }

  private func checkCoverage(start: Int, end: Int) throws(SafetensorsProblem) {
    var covered = start
    var previous = "the header"
    // An empty tensor covers nothing, but must stand where another one starts or the last one ends.
    let byOffset = entries.sorted {
      ($0.range.lowerBound, $0.range.upperBound, $0.place) < ($1.range.lowerBound, $1.range.upperBound, $1.place)
    }
    for entry in byOffset {
      let begin = entry.range.lowerBound
      if begin < covered { throw .overlap(previous, entry.name, at: begin) }
      if begin > covered { throw .hole(before: entry.name, expected: covered, found: begin) }
      covered = entry.range.upperBound
      previous = entry.name
    }
    if covered < end { throw .trailing(at: covered, count: end - covered) }
  }
}
