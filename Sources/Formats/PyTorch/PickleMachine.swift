import Tensors

/// Evaluates Python's pickle language (protocols 2 to 5) as data: plain values, maps and tensors are built; whatever Python would
/// make by calling something else becomes a foreign value, which holds nothing but the name of what would be called. Nothing is
/// imported, called or executed. Names that act outside the file are refused, and so are operations that no protocol has.
struct PickleMachine {
  static let sizeLimit = 64 << 20
  static let itemLimit = 4_000_000
  /// Tuples within tuples; lists and maps within others are counted where they are walked.
  static let depthLimit = 64

  private let bytes: [UInt8]
  /// Where the next operation stands; behind the pickle in the end.
  private(set) var position = 0
  private var stack: [PickleValue] = []
  /// Stack heights at open marks.
  private var marks: [Int] = []
  private var memo: [Int: PickleValue] = [:]
  private var items = 0
  /// What values refer to by number.
  private(set) var tuples: [(values: [PickleValue], depth: Int)] = []
  var storages: [PickleStorage] = []
  var tensors: [PickleTensor] = []
  /// Names of foreign globals, `module.name`, and their numbers.
  var names: [String] = []
  var nameNumbers: [String: Int] = [:]
  private(set) var lists: [[PickleValue]] = []
  private(set) var maps: [[(key: PickleValue, value: PickleValue)]] = []

  /// The value that the pickle describes, in `result`.
  private(set) var result = PickleValue.none

  /// - Parameter bytes: the pickle; what follows it is not looked at.
  init(_ bytes: [UInt8]) throws(PyTorchProblem) {
    self.bytes = bytes
    try run()
  }

  private mutating func run() throws(PyTorchProblem) {
    let code = try byte()
    guard code == 0x80 else { throw .opcode(code, at: 0) }
    let version = try byte()
    guard (2...5).contains(version) else {
      throw .value("pickle protocol \(version); supported are 2 to 5", at: 1)
    }
    while true {
      let start = position
      let code = try byte()
      if code == UInt8(ascii: ".") {
        result = try pop(start)
        guard stack.isEmpty, marks.isEmpty else { throw .stack("left over after its end", at: start) }
        return
      }
      try execute(code, at: start)
    }
  }

  private mutating func execute(_ code: UInt8, at start: Int) throws(PyTorchProblem) {
    switch code {
    // Frames only announce sizes.
    case 0x95: _ = try take(8)
    case UInt8(ascii: "("): try countItem(start); marks.append(stack.count)
    case UInt8(ascii: "0"): _ = try pop(start)
    case UInt8(ascii: "1"): _ = try popToMark(start)
    case UInt8(ascii: "2"): try push(try top(start), start)
    // Plain values
    case UInt8(ascii: "N"): try push(.none, start)
    case 0x88: try push(.bool(true), start)
    case 0x89: try push(.bool(false), start)
    case UInt8(ascii: "J"): try push(.integer(Int(try integer(Int32.self))), start)
    case UInt8(ascii: "K"): try push(.integer(Int(try byte())), start)
    case UInt8(ascii: "M"): try push(.integer(Int(try integer(UInt16.self))), start)
    case 0x8a: try pushLong(Int(try byte()), start)
    case 0x8b: try pushLong(Int(try integer(UInt32.self)), start)
    case UInt8(ascii: "G"): try push(.number(Double(bitPattern: UInt64(bigEndian: try integer(UInt64.self)))), start)
    case UInt8(ascii: "X"): try push(.string(try text(Int(try integer(UInt32.self)), start)), start)
    case 0x8c: try push(.string(try text(Int(try byte()), start)), start)
    case 0x8d: try push(.string(try text(Int(clamping: try integer(UInt64.self)), start)), start)
    // Python 2's texts, and bytes
    case UInt8(ascii: "U"): try pushText(Int(try byte()), start)
    case UInt8(ascii: "T"): try pushText(Int(try integer(UInt32.self)), start)
    case UInt8(ascii: "C"): try pushBytes(Int(try byte()), start)
    case UInt8(ascii: "B"): try pushBytes(Int(try integer(UInt32.self)), start)
    case 0x8e, 0x96: try pushBytes(Int(clamping: try integer(UInt64.self)), start)
    // Containers
    case UInt8(ascii: ")"): try pushTuple([], start)
    case UInt8(ascii: "t"): try pushTuple(try popToMark(start), start)
    case 0x85, 0x86, 0x87: try pushTuple(try popLast(Int(code) - 0x84, start), start)
    case UInt8(ascii: "]"), 0x8f: try pushList([], start)
    case 0x91: try pushList(try popToMark(start), start)
    case UInt8(ascii: "}"): try pushMap(start)
    case UInt8(ascii: "a"): try append(try popLast(1, start), start)
    case UInt8(ascii: "e"), 0x90: try append(try popToMark(start), start)
    case UInt8(ascii: "s"): try setItems(try popLast(2, start), start)
    case UInt8(ascii: "u"): try setItems(try popToMark(start), start)
    // The memo
    case UInt8(ascii: "q"): try remember(Int(try byte()), start)
    case UInt8(ascii: "r"): try remember(Int(try integer(UInt32.self)), start)
    case 0x94: try remember(memo.count, start)
    case UInt8(ascii: "h"): try recall(Int(try byte()), start)
    case UInt8(ascii: "j"): try recall(Int(try integer(UInt32.self)), start)
    // Names, and what they are applied to
    case UInt8(ascii: "c"):
      let module = try line(start)
      try pushGlobal(module, try line(start), start)
    case 0x93:
      guard case .string(let name) = try pop(start), case .string(let module) = try pop(start) else {
        throw .stack("expected a module and a name", at: start)
      }
      try pushGlobal(module, name, start)
    case UInt8(ascii: "Q"): try pushPersistent(try pop(start), start)
    case UInt8(ascii: "R"), 0x81:
      guard case .tuple(let arguments) = try pop(start) else { throw .stack("expected a name and a tuple", at: start) }
      try apply(try pop(start), tuples[arguments].values, start)
    case 0x92:
      let parts = try popLast(3, start)
      guard case .tuple = parts[1], case .map = parts[2] else {
        throw .stack("expected a name, a tuple and a map", at: start)
      }
      try pushForeign(parts[0], start)
    case UInt8(ascii: "b"):
      _ = try pop(start)
      switch try top(start) {
      // Of an ordered map `_metadata`, module versions; of a tensor its Python attributes: neither is of use here.
      case .map, .tensor, .foreign: break
      default: throw .stack("gives a state to something that has none", at: start)
      }
    default: throw .opcode(code, at: start)
    }
  }

  // MARK: Stack, containers, memo

  mutating func countItem(_ at: Int) throws(PyTorchProblem) {
    items += 1
    if items > Self.itemLimit { throw .limit("too many values, at byte \(at)", limit: Self.itemLimit) }
  }

  mutating func push(_ value: PickleValue, _ at: Int) throws(PyTorchProblem) {
    try countItem(at)
    stack.append(value)
  }

  private mutating func pushTuple(_ values: [PickleValue], _ at: Int) throws(PyTorchProblem) {
    var depth = 1
    for case .tuple(let number) in values { depth = max(depth, tuples[number].depth + 1) }
    if depth > Self.depthLimit { throw .limit("tuples within tuples, at byte \(at)", limit: Self.depthLimit) }
    tuples.append((values, depth))
    try push(.tuple(tuples.count - 1), at)
  }

  private mutating func pushList(_ values: [PickleValue], _ at: Int) throws(PyTorchProblem) {
    lists.append(values)
    try push(.list(lists.count - 1), at)
  }

  mutating func pushMap(_ at: Int) throws(PyTorchProblem) {
    maps.append([])
    try push(.map(maps.count - 1), at)
  }

  private mutating func popLast(_ count: Int, _ at: Int) throws(PyTorchProblem) -> [PickleValue] {
    guard stack.count - (marks.last ?? 0) >= count else { throw .stack("takes more values than there are", at: at) }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  private mutating func pop(_ at: Int) throws(PyTorchProblem) -> PickleValue {
    guard stack.count > marks.last ?? 0 else { throw .stack("takes more values than there are", at: at) }
    return stack.removeLast()
  }

  private func top(_ at: Int) throws(PyTorchProblem) -> PickleValue {
    guard stack.count > marks.last ?? 0, let value = stack.last else {
      throw .stack("takes more values than there are", at: at)
    }
    return value
  }

  private mutating func popToMark(_ at: Int) throws(PyTorchProblem) -> [PickleValue] {
    guard let mark = marks.popLast() else { throw .stack("closes a group that was not opened", at: at) }
    defer { stack.removeLast(stack.count - mark) }
    return Array(stack[mark...])
  }

  private mutating func append(_ values: [PickleValue], _ at: Int) throws(PyTorchProblem) {
    switch stack.last {
    case .list(let number)?: lists[number] += values
    case .foreign?: break
    default: throw .stack("appends to something else than a list", at: at)
    }
  }

  mutating func setItems(_ values: [PickleValue], _ at: Int) throws(PyTorchProblem) {
    switch stack.last {
    case .map(let number)? where values.count % 2 == 0:
      for i in stride(from: 0, to: values.count, by: 2) { maps[number].append((values[i], values[i + 1])) }
    case .foreign? where values.count % 2 == 0: break
    default: throw .stack("sets items of something else than a map", at: at)
    }
  }

  private mutating func remember(_ number: Int, _ at: Int) throws(PyTorchProblem) {
    guard let value = stack.last else { throw .stack("remembers a value that is not there", at: at) }
    try countItem(at)
    memo[number] = value
  }

  private mutating func recall(_ number: Int, _ at: Int) throws(PyTorchProblem) {
    guard let value = memo[number] else { throw .stack("recalls value \(number), which was not remembered", at: at) }
    try push(value, at)
  }

  // MARK: Bytes

  private mutating func take(_ count: Int) throws(PyTorchProblem) -> Range<Int> {
    guard count <= bytes.count - position else { throw .truncated(at: position) }
    defer { position += count }
    return position..<(position + count)
  }

  private mutating func byte() throws(PyTorchProblem) -> UInt8 { bytes[try take(1).lowerBound] }

  private mutating func integer<T: FixedWidthInteger>(_ type: T.Type) throws(PyTorchProblem) -> T {
    bytes.little(type, at: try take(MemoryLayout<T>.size).lowerBound)
  }

  /// A little-endian two's complement integer; one of more than 8 bytes is nothing that a tensor needs.
  private mutating func pushLong(_ count: Int, _ at: Int) throws(PyTorchProblem) {
    let range = try take(count)
    guard (1...8).contains(count) else { return try push(count == 0 ? .integer(0) : .foreign(number(of: "int")), at) }
    var value: UInt64 = 0
    for (shift, i) in range.enumerated() { value |= UInt64(bytes[i]) << UInt64(8 * shift) }
    let unused = UInt64(64 - 8 * count)
    try push(.integer(Int(Int64(bitPattern: value << unused) >> Int64(unused))), at)
  }

  private mutating func pushBytes(_ count: Int, _ at: Int) throws(PyTorchProblem) {
    _ = try take(count)
    try push(.foreign(number(of: "bytes")), at)
  }

  /// Python 2's texts are bytes; those that are UTF-8 are taken for text.
  private mutating func pushText(_ count: Int, _ at: Int) throws(PyTorchProblem) {
    let text = String(validating: bytes[try take(count)], as: UTF8.self)
    try push(text.map { .string($0) } ?? .foreign(number(of: "bytes")), at)
  }

  private mutating func text(_ count: Int, _ at: Int) throws(PyTorchProblem) -> String {
    guard let text = String(validating: bytes[try take(count)], as: UTF8.self) else {
      throw .value("a text that is not UTF-8", at: at)
    }
    return text
  }

  private mutating func line(_ at: Int) throws(PyTorchProblem) -> String {
    guard let end = bytes[position...].prefix(256).firstIndex(of: UInt8(ascii: "\n")) else {
      throw bytes.count - position < 256 ? .truncated(at: position) : .value("a name of more than 255 bytes", at: at)
    }
    let line = try text(end - position, at)
    position = end + 1
    return line
  }
}
