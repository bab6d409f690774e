import Tensors

/// Evaluates the part of Python's pickle language that PyTorch's state dicts are written in, as data: of its operations only those
/// that build plain values, of its globals only those of `PickleGlobal`. Nothing is imported, called or executed; every
/// other operation or name is refused with its place.
struct PickleMachine {
  static let sizeLimit = 64 << 20
  static let itemLimit = 4_000_000

  private let bytes: [UInt8]
  private var position = 0
  private var stack: [PickleValue] = []
  /// Stack heights at open marks.
  private var marks: [Int] = []
  private var memo: [Int: PickleValue] = [:]
  private var items = 0
  /// Contents of lists and maps, by number.
  private(set) var lists: [[PickleValue]] = []
  private(set) var maps: [[(key: PickleValue, value: PickleValue)]] = []

  /// The value that the pickle describes, in `result`.
  private(set) var result = PickleValue.none

  init(_ bytes: [UInt8]) throws(PyTorchProblem) {
    guard bytes.count <= Self.sizeLimit else {
      throw .limit("the pickle has \(bytes.count) bytes", limit: Self.sizeLimit)
    }
    self.bytes = bytes
    try run()
  }

  private mutating func run() throws(PyTorchProblem) {
    guard try byte() == 0x80 else { throw .opcode(bytes[0], at: 0) }
    let version = try byte()
    guard (2...5).contains(version) else { throw .value("pickle protocol \(version); supported are 2 to 5", at: 1) }
    while true {
      let start = position
      let code = try byte()
      if code == UInt8(ascii: ".") {
        result = try pop(start)
        guard position == bytes.count, stack.isEmpty, marks.isEmpty else {
          throw .stack("left over after its end", at: start)
        }
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
    // Plain values
    case UInt8(ascii: "N"): try push(.none, start)
    case 0x88: try push(.bool(true), start)
    case 0x89: try push(.bool(false), start)
    case UInt8(ascii: "J"): try push(.integer(Int(try integer(Int32.self))), start)
    case UInt8(ascii: "K"): try push(.integer(Int(try byte())), start)
    case UInt8(ascii: "M"): try push(.integer(Int(try integer(UInt16.self))), start)
    case 0x8a: try push(.integer(try long(start)), start)
    case UInt8(ascii: "G"): try push(.number(Double(bitPattern: UInt64(bigEndian: try integer(UInt64.self)))), start)
    case UInt8(ascii: "X"): try push(.string(try text(Int(try integer(UInt32.self)), start)), start)
    case 0x8c: try push(.string(try text(Int(try byte()), start)), start)
    // Containers
    case UInt8(ascii: ")"): try push(.tuple([]), start)
    case UInt8(ascii: "t"): try push(.tuple(try popToMark(start)), start)
    case 0x85, 0x86, 0x87:
      let values = try popLast(Int(code) - 0x84, start)
      try push(.tuple(values), start)
    case UInt8(ascii: "]"): try pushList([], start)
    case UInt8(ascii: "}"): try pushMap(start)
    case UInt8(ascii: "a"): try append(try popLast(1, start), start)
    case UInt8(ascii: "e"): try append(try popToMark(start), start)
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
    case UInt8(ascii: "Q"): try push(.storage(try storage(try pop(start), start)), start)
    case UInt8(ascii: "R"):
      guard case .tuple(let arguments) = try pop(start), case .global(let global) = try pop(start) else {
        throw .stack("expected a name and a tuple", at: start)
      }
      try apply(global, arguments, start)
    case UInt8(ascii: "b"):
      // The state of an ordered map is its `_metadata`, module versions that are of no use here.
      guard case .map = try pop(start), case .map? = stack.last else {
        throw .stack("only an ordered map may have a state", at: start)
      }
    default: throw .opcode(code, at: start)
    }
  }

  // MARK: Applying names

  private mutating func apply(_ global: PickleGlobal, _ arguments: [PickleValue], _ at: Int) throws(PyTorchProblem) {
    switch global {
    case .orderedMap:
      guard arguments.isEmpty else { throw .value("an ordered map with arguments", at: at) }
      try pushMap(at)
    case .rebuildTensor:
      guard arguments.count >= 6, case .storage(let storage) = arguments[0], case .integer(let offset) = arguments[1],
        let dims = Self.integers(arguments[2]), let strides = Self.integers(arguments[3])
      else { throw .value("a tensor without storage, offset, shape and strides", at: at) }
      guard let tensor = PickleTensor(storage: storage, offset: offset, dims: dims, strides: strides) else {
        throw .tensor(
          "shape \(shown(dims)), strides \(shown(strides)), offset \(offset) do not fit a storage of \(storage.count) elements",
          at: at)
      }
      try push(.tensor(tensor), at)
    case .rebuildParameter:
      guard case .tensor(let tensor)? = arguments.first else { throw .value("a parameter without tensor", at: at) }
      try push(.tensor(tensor), at)
    case .storageType: throw .value("a storage type is applied", at: at)
    }
  }

  private static func integers(_ value: PickleValue) -> [Int]? {
    guard case .tuple(let values) = value else { return nil }
    var out: [Int] = []
    for value in values {
      guard case .integer(let number) = value else { return nil }
      out.append(number)
    }
    return out
  }

  /// ('storage', type, key, location, count).
  private func storage(_ identity: PickleValue, _ at: Int) throws(PyTorchProblem) -> PickleStorage {
    guard case .tuple(let parts) = identity, parts.count == 5, parts[0] == .string("storage"),
      case .global(.storageType(let type)) = parts[1], case .string(let key) = parts[2],
      case .integer(let count) = parts[4], count >= 0, byteCount([count], elementSize: type.byteCount) != nil,
      (1...40).contains(key.utf8.count), key.utf8.allSatisfy({ $0 != UInt8(ascii: "/") && $0 > 32 && $0 < 127 })
    else { throw .value("a reference to something else than a storage", at: at) }
    return PickleStorage(type: type, key: key, count: count)
  }

  private mutating func pushGlobal(_ module: String, _ name: String, _ at: Int) throws(PyTorchProblem) {
    guard let global = PickleGlobal(module: module, name: name) else { throw .global("\(module).\(name)", at: at) }
    try push(.global(global), at)
  }

  // MARK: Stack, containers, memo

  private mutating func countItem(_ at: Int) throws(PyTorchProblem) {
    items += 1
    if items > Self.itemLimit { throw .limit("too many values, at byte \(at)", limit: Self.itemLimit) }
  }

  private mutating func push(_ value: PickleValue, _ at: Int) throws(PyTorchProblem) {
    try countItem(at)
    stack.append(value)
  }

  private mutating func pushList(_ values: [PickleValue], _ at: Int) throws(PyTorchProblem) {
    lists.append(values)
    try push(.list(lists.count - 1), at)
  }

  private mutating func pushMap(_ at: Int) throws(PyTorchProblem) {
    maps.append([])
    try push(.map(maps.count - 1), at)
  }

  private mutating func popLast(_ count: Int, _ at: Int) throws(PyTorchProblem) -> [PickleValue] {
    guard stack.count - (marks.last ?? 0) >= count else { throw .stack("takes more values than there are", at: at) }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  private mutating func pop(_ at: Int) throws(PyTorchProblem) -> PickleValue { try popLast(1, at)[0] }

  private mutating func popToMark(_ at: Int) throws(PyTorchProblem) -> [PickleValue] {
    guard let mark = marks.popLast() else { throw .stack("closes a group that was not opened", at: at) }
    defer { stack.removeLast(stack.count - mark) }
    return Array(stack[mark...])
  }

  private mutating func append(_ values: [PickleValue], _ at: Int) throws(PyTorchProblem) {
    guard case .list(let number)? = stack.last else { throw .stack("appends to something else than a list", at: at) }
    lists[number] += values
  }

  private mutating func setItems(_ values: [PickleValue], _ at: Int) throws(PyTorchProblem) {
    guard case .map(let number)? = stack.last, values.count % 2 == 0 else {
      throw .stack("sets items of something else than a map", at: at)
    }
    for i in stride(from: 0, to: values.count, by: 2) { maps[number].append((values[i], values[i + 1])) }
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

  /// A little-endian two's complement integer of up to 8 bytes.
  private mutating func long(_ at: Int) throws(PyTorchProblem) -> Int {
    let range = try take(Int(try byte()))
    guard range.count <= 8 else { throw .value("an integer of \(range.count) bytes", at: at) }
    var value: UInt64 = 0
    for (shift, i) in range.enumerated() { value |= UInt64(bytes[i]) << UInt64(8 * shift) }
    let unused = UInt64(64 - 8 * range.count)
    return range.isEmpty ? 0 : Int(Int64(bitPattern: value << unused) >> Int64(unused))
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
