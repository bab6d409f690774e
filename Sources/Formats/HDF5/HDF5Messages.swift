import Tensors

/// What the reading process and its parent say to each other: little-endian numbers, texts and lists by count. The child
/// may have been taken over by the file it reads, so the parent checks every count against a limit.
///
///     request   0                                         list everything
///               1  dataset u32  first row u64  rows u64   rows of a dataset, in the order of the list
///     reply     0  length u32  bytes                      one piece of the answer; a piece of length 0 ends it
///               1  length u32  id NUL text                refused
enum HDF5Messages {
  static let pieceLimit = 16 << 20
  static let listLimit = 64 << 20

  enum Request: Equatable {
    case list
    case rows(dataset: Int, first: Int, count: Int)

    static let byteCount = 21

    var bytes: [UInt8] {
      var bytes: [UInt8] = []
      let (code, dataset, first, count) =
        switch self {
        case .list: (UInt8(0), 0, 0, 0)
        case .rows(let dataset, let first, let count): (UInt8(1), dataset, first, count)
        }
      bytes.append(code)
      bytes.appendLittle(UInt32(dataset))
      bytes.appendLittle(UInt64(first))
      bytes.appendLittle(UInt64(count))
      return bytes
    }

    init(rowsOf dataset: Int, _ range: Range<Int>) {
      self = .rows(dataset: dataset, first: range.lowerBound, count: range.count)
    }

    /// - Precondition: `byteCount` bytes.
    init?(_ bytes: [UInt8]) {
      switch bytes[0] {
      case 0: self = .list
      case 1:
        guard let first = Int(exactly: bytes.little(UInt64.self, at: 5)),
          let count = Int(exactly: bytes.little(UInt64.self, at: 13))
        else { return nil }
        self = .rows(dataset: Int(bytes.little(UInt32.self, at: 1)), first: first, count: count)
      default: return nil
      }
    }
  }

  static func replyHeader(refused: Bool, length: Int) -> [UInt8] {
    var bytes: [UInt8] = [refused ? 1 : 0]
    bytes.appendLittle(UInt32(length))
    return bytes
  }

  /// What a file holds.
  struct Listing: Equatable {
    var datasets: [HDF5File.Dataset] = []
    var attributes: [String: String] = [:]

    var bytes: [UInt8] {
      var bytes: [UInt8] = []
      Self.append(attributes, to: &bytes)
      bytes.appendLittle(UInt32(datasets.count))
      for dataset in datasets {
        Self.append(dataset.name, to: &bytes)
        bytes.append(UInt8(ElementType.allCases.firstIndex(of: dataset.type)!))
        bytes.append(UInt8(dataset.dims.count))
        for dim in dataset.dims { bytes.appendLittle(UInt64(dim)) }
        Self.append(dataset.attributes, to: &bytes)
      }
      return bytes
    }

    private static func append(_ text: String, to bytes: inout [UInt8]) {
      bytes.appendLittle(UInt32(text.utf8.count))
      bytes += Array(text.utf8)
    }

    private static func append(_ attributes: [String: String], to bytes: inout [UInt8]) {
      bytes.appendLittle(UInt32(attributes.count))
      for (key, value) in attributes.sorted(by: { $0.key < $1.key }) {
        append(key, to: &bytes)
        append(value, to: &bytes)
      }
    }

    init() {}

    init(_ bytes: [UInt8]) throws(HDF5Problem) {
      var reader = Reader(bytes: bytes)
      attributes = try reader.attributes()
      for _ in 0..<(try reader.count()) {
        let name = try reader.text()
        guard let type = ElementType.allCases.dropFirst(Int(try reader.byte())).first else {
          throw .reply("an unknown element type")
        }
        let rank = Int(try reader.byte())
        var dims: [Int] = []
        for _ in 0..<rank { dims.append(try reader.size()) }
        guard (1...8).contains(rank), byteCount(dims, elementSize: type.byteCount) != nil else {
          throw .reply("an impossible shape")
        }
        datasets.append(.init(name: name, type: type, dims: dims, attributes: try reader.attributes()))
      }
      if !reader.isAtEnd { throw .reply("more than it announced") }
    }
  }

  /// Checked reading of a listing.
  private struct Reader {
    let bytes: [UInt8]
    var offset = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { offset == bytes.count }

    mutating func take(_ count: Int) throws(HDF5Problem) -> Range<Int> {
      guard count <= bytes.count - offset else { throw .reply("less than it announced") }
      defer { offset += count }
      return offset..<(offset + count)
    }

    mutating func byte() throws(HDF5Problem) -> UInt8 { bytes[try take(1).lowerBound] }
    mutating func count() throws(HDF5Problem) -> Int { Int(bytes.little(UInt32.self, at: try take(4).lowerBound)) }

    mutating func size() throws(HDF5Problem) -> Int {
      guard let size = Int(exactly: bytes.little(UInt64.self, at: try take(8).lowerBound)) else {
        throw .reply("an impossible size")
      }
      return size
    }

    mutating func text() throws(HDF5Problem) -> String {
      guard let text = String(validating: bytes[try take(try count())], as: UTF8.self) else {
        throw .reply("text that is not UTF-8")
      }
      return text
    }

    mutating func attributes() throws(HDF5Problem) -> [String: String] {
      var attributes: [String: String] = [:]
      for _ in 0..<(try count()) {
        let key = try text()
        attributes[key] = try text()
      }
      return attributes
    }
  }
}
