import Tensors

/// A ZIP file's members, checked as a whole at opening: the directory agrees with each member's own header, members do not
/// overlap, and names, methods and flags are ones that every reader understands the same way.
struct ZipArchive: Sendable {
  struct Member: Sendable {
    let name: String
    let deflated: Bool
    let compressedSize: Int
    let size: Int
    let checksum: UInt32
    /// Where its own header starts in the file, and where its data does.
    let headerOffset: Int
    let dataOffset: Int
  }

  /// Deflate reaches 1032:1; arrays that matter stay far below. Small members may be as uniform as they like.
  static let ratioLimit = 100
  static let ratioFloor = 32 << 20

  let file: InputFile
  /// In the order of the directory.
  let members: [Member]
  private let positions: [String: Int]

  init(_ file: InputFile) throws {
    self.file = file
    let directory = try ZipDirectory(file)
    let bytes = try file.read(at: directory.offset, count: directory.size)
    var members: [Member] = []
    var positions: [String: Int] = [:]
    var position = 0
    for _ in 0..<directory.count {
      let entry = try ZipEntry(bytes, at: &position, base: directory.offset, path: file.path)
      if positions.updateValue(members.count, forKey: entry.name) != nil {
        throw FormatError.zip(file.path, .duplicate(entry.name))
      }
      members.append(try entry.located(in: file, before: directory.offset))
    }
    guard position == bytes.count else {
      throw FormatError.zip(
        file.path, .directory("\(bytes.count - position) bytes after its last member", at: directory.offset + position))
    }
    var end = 0
    for member in members.sorted(by: { $0.headerOffset < $1.headerOffset }) {
      if member.headerOffset < end { throw FormatError.zip(file.path, .overlap(member.name, at: member.headerOffset)) }
      end = member.dataOffset + member.compressedSize
    }
    self.members = members
    self.positions = positions
  }

  func contains(_ name: String) -> Bool { positions[name] != nil }

  func member(_ name: String) throws -> Member {
    guard let position = positions[name] else { throw FormatError.zip(file.path, .missing(name)) }
    return members[position]
  }

  /// The content of `member`.
  func stream(_ member: Member) throws(MemoryError) -> ZipMemberStream { try ZipMemberStream(member, in: file) }
}

/// One entry of the directory, not yet compared with the member's own header.
private struct ZipEntry {
  let name: String
  private let nameBytes: [UInt8]
  private let flags: UInt16
  private let method: UInt16
  private let checksum: UInt32
  private let compressedSize: Int
  private let size: Int
  private let headerOffset: Int

  /// Reads the entry at `position` of the directory's `bytes` and moves `position` behind it.
  init(_ bytes: [UInt8], at position: inout Int, base: Int, path: String) throws {
    let place = base + position
    guard bytes.count - position >= 46 else {
      throw FormatError.zip(path, .truncated("directory entry", at: place))
    }
    guard bytes.little(UInt32.self, at: position) == 0x0201_4b50 else {
      throw FormatError.zip(path, .signature("a directory entry", at: place))
    }
    let nameCount = Int(bytes.little(UInt16.self, at: position + 28))
    let extraCount = Int(bytes.little(UInt16.self, at: position + 30))
    let commentCount = Int(bytes.little(UInt16.self, at: position + 32))
    guard bytes.count - position - 46 >= nameCount + extraCount + commentCount else {
      throw FormatError.zip(path, .truncated("directory entry", at: place))
    }
    nameBytes = Array(bytes[(position + 46)..<(position + 46 + nameCount)])
    name = try Self.checkedName(nameBytes, path)
    flags = bytes.little(UInt16.self, at: position + 8)
    method = bytes.little(UInt16.self, at: position + 10)
    checksum = bytes.little(UInt32.self, at: position + 16)

    var wide = WideFields(bytes, (position + 46 + nameCount)..<(position + 46 + nameCount + extraCount))
    let fields = [24, 20, 42].map { wide.widen(bytes.little(UInt32.self, at: position + $0)) }
    guard let size = fields[0], let compressedSize = fields[1], let headerOffset = fields[2] else {
      throw FormatError.zip(path, .directory("a ZIP64 size is missing or beyond any file", at: place))
    }
    (self.size, self.compressedSize, self.headerOffset) = (size, compressedSize, headerOffset)
    guard bytes.little(UInt16.self, at: position + 34) == 0 else { throw FormatError.zip(path, .severalDisks) }
    position += 46 + nameCount + extraCount + commentCount

    // Bits 0, 6 and 13 are forms of encryption.
    guard flags & 0x2041 == 0 else { throw FormatError.zip(path, .encrypted(name)) }
    guard method == 0 || method == 8 else { throw FormatError.zip(path, .method(Int(method), name: name)) }
    if method == 0 && size != compressedSize {
      throw FormatError.zip(path, .length(name, expected: size, found: "\(compressedSize) stored"))
    }
    let limit = max(
      ZipArchive.ratioFloor, compressedSize.multipliedReportingOverflow(by: ZipArchive.ratioLimit).partialValue)
    if method == 8 && size > limit {
      throw FormatError.zip(path, .ratio(name, compressed: compressedSize, size: size, limit: limit))
    }
  }

  private static func checkedName(_ bytes: [UInt8], _ path: String) throws -> String {
    guard let name = String(validating: bytes, as: UTF8.self) else {
      throw FormatError.zip(path, .name(String(decoding: bytes, as: UTF8.self), reason: "not valid UTF-8"))
    }
    func refuse(_ reason: String) -> FormatError { .zip(path, .name(name, reason: reason)) }
    if name.isEmpty { throw refuse("the name is empty") }
    if bytes.contains(where: { $0 < 0x20 || $0 == 0x7f }) { throw refuse("control characters in the name") }
    if name.hasPrefix("/") { throw refuse("it starts with a slash; names in an archive are relative") }
    if bytes.contains(UInt8(ascii: "\\")) { throw refuse("it has a backslash; names in an archive have slashes") }
    if name.split(separator: "/", omittingEmptySubsequences: false).contains("..") { throw refuse("leaves its folder") }
    return name
  }

  /// The member with its data's place, after comparing its own header with this entry.
  func located(in file: InputFile, before directory: Int) throws -> ZipArchive.Member {
    guard headerOffset <= directory - 30 else {
      throw FormatError.zip(file.path, .truncated("member \(quoted(name))", at: headerOffset))
    }
    let header = try file.read(at: headerOffset, count: 30)
    guard header.little(UInt32.self, at: 0) == 0x0403_4b50 else {
      throw FormatError.zip(file.path, .signature("the header of member \(quoted(name))", at: headerOffset))
    }
    let nameCount = Int(header.little(UInt16.self, at: 26))
    let extraCount = Int(header.little(UInt16.self, at: 28))
    let dataOffset = headerOffset + 30 + nameCount + extraCount
    guard dataOffset <= directory, compressedSize <= directory - dataOffset else {
      throw FormatError.zip(file.path, .truncated("member \(quoted(name))", at: headerOffset))
    }
    let rest = try file.read(at: headerOffset + 30, count: nameCount + extraCount)
    try compare(header, localName: Array(rest[..<nameCount]), extra: Array(rest[nameCount...]), file.path)
    return .init(
      name: name, deflated: method == 8, compressedSize: compressedSize, size: size, checksum: checksum,
      headerOffset: headerOffset, dataOffset: dataOffset)
  }

  private func compare(_ header: [UInt8], localName: [UInt8], extra: [UInt8], _ path: String) throws {
    func check<T: Equatable>(_ field: String, _ directory: T, _ local: T) throws {
      guard directory == local else {
        throw FormatError.zip(path, .mismatch(name, field: field, directory: "\(directory)", local: "\(local)"))
      }
    }
    try check("the name", quoted(name), quoted(String(decoding: localName, as: UTF8.self)))
    try check("flags", flags, header.little(UInt16.self, at: 6))
    try check("compression method", method, header.little(UInt16.self, at: 8))
    // Bit 3: sizes and checksum follow the data, because the writer could not go back; zeros stand in the header.
    if flags & 8 != 0 { return }
    var wide = WideFields(extra, 0..<extra.count)
    let localSize = wide.widen(header.little(UInt32.self, at: 22))
    let localCompressedSize = wide.widen(header.little(UInt32.self, at: 18))
    try check("the checksum", checksum, header.little(UInt32.self, at: 14))
    try check("the size", "\(size)", localSize.map { "\($0)" } ?? "beyond any file")
    try check("the compressed size", "\(compressedSize)", localCompressedSize.map { "\($0)" } ?? "beyond any file")
  }
}

/// The ZIP64 extra field: 64-bit values, in order, for those fields that hold 0xFFFFFFFF.
private struct WideFields {
  private var values: [UInt64] = []

  init(_ bytes: [UInt8], _ range: Range<Int>) {
    var position = range.lowerBound
    while range.upperBound - position >= 4 {
      let count = Int(bytes.little(UInt16.self, at: position + 2))
      guard count <= range.upperBound - position - 4 else { return }
      if bytes.little(UInt16.self, at: position) == 1 {
        values = (0..<(count / 8)).map { bytes.little(UInt64.self, at: position + 4 + 8 * $0) }
        return
      }
      position += 4 + count
    }
  }

  mutating func widen(_ narrow: UInt32) -> Int? {
    guard narrow == 0xffff_ffff else { return Int(narrow) }
    return values.isEmpty ? nil : Int(exactly: values.removeFirst())
  }
}
