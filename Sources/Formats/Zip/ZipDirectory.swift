/// The end-of-directory records of a ZIP file (APPNOTE 4.3.14 to 4.3.16): where the directory stands and how many members
/// it lists. Everything is required to be in its canonical place, so that no two readers can see different archives.
struct ZipDirectory {
  static let memberLimit = 100_000
  static let sizeLimit = 64 << 20

  let offset: Int
  let size: Int
  let count: Int

  init(_ file: InputFile) throws {
    let tailSize = min(file.size, 22 + 0xffff)
    let tailStart = file.size - tailSize
    let tail = try file.read(at: tailStart, count: tailSize)
    let end = tailStart + (try Self.findEnd(tail, tailStart, file))
    let record = Array(tail[(end - tailStart)..<(end - tailStart + 22)])

    var disks = [Int(record.little(UInt16.self, at: 4)), Int(record.little(UInt16.self, at: 6))]
    var countHere = UInt64(record.little(UInt16.self, at: 8))
    var count = UInt64(record.little(UInt16.self, at: 10))
    var size = UInt64(record.little(UInt32.self, at: 12))
    var offset = UInt64(record.little(UInt32.self, at: 16))
    var limit = end
    // PyTorch writes a ZIP64 record into every archive, small ones too.
    if let (start, wide) = try Self.wideRecord(file, before: end) {
      limit = start
      try Self.requireAgreement(
        [(count, 0xffff, 32), (size, 0xffff_ffff, 40), (offset, 0xffff_ffff, 48)], wide, at: start, file.path)
      disks = [Int(wide.little(UInt32.self, at: 16)), Int(wide.little(UInt32.self, at: 20))]
      countHere = wide.little(UInt64.self, at: 24)
      count = wide.little(UInt64.self, at: 32)
      size = wide.little(UInt64.self, at: 40)
      offset = wide.little(UInt64.self, at: 48)
    }

    guard disks == [0, 0], countHere == count else { throw FormatError.zip(file.path, .severalDisks) }
    guard count <= Self.memberLimit else {
      throw FormatError.zip(file.path, .count(announced: Int(clamping: count), limit: Self.memberLimit))
    }
    guard offset <= limit, size == UInt64(limit) - offset else {
      throw FormatError.zip(
        file.path,
        .directory("\(size) bytes from byte \(offset) on do not end where the directory's end record starts", at: end))
    }
    guard size <= Self.sizeLimit, size >= count * 46 else {
      throw FormatError.zip(file.path, .directory("\(size) bytes cannot hold \(count) members", at: Int(offset)))
    }
    (self.offset, self.size, self.count) = (Int(offset), Int(size), Int(count))
  }

  /// Each plain field is either saturated or what the ZIP64 record says. - Parameter fields: value, saturated value, place.
  private static func requireAgreement(
    _ fields: [(value: UInt64, saturated: UInt64, place: Int)], _ wide: [UInt8], at start: Int, _ path: String
  ) throws {
    for field in fields {
      let found = wide.little(UInt64.self, at: field.place)
      guard field.value == field.saturated || field.value == found else {
        throw FormatError.zip(
          path, .directory("its end record says \(field.value) where the ZIP64 record says \(found)", at: start))
      }
    }
  }

  /// The one place in the file's tail where an end record with a comment that reaches exactly to the end can stand.
  private static func findEnd(_ tail: [UInt8], _ tailStart: Int, _ file: InputFile) throws -> Int {
    var found: Int?
    var place = tail.count - 22
    while place >= 0 {
      if tail[place] == 0x50, tail.little(UInt32.self, at: place) == 0x0605_4b50,
        place + 22 + Int(tail.little(UInt16.self, at: place + 20)) == tail.count
      {
        if let found { throw FormatError.zip(file.path, .ambiguousDirectory(tailStart + place, tailStart + found)) }
        found = place
      }
      place -= 1
    }
    guard let found else {
      throw FormatError.zip(
        file.path, .noDirectory(FirstBytes(try file.read(at: 0, count: min(FirstBytes.count, file.size)))))
    }
    return found
  }

  /// The ZIP64 end record in front of the end record at `end`; nil if there is no locator, and the plain values count.
  private static func wideRecord(_ file: InputFile, before end: Int) throws -> (start: Int, bytes: [UInt8])? {
    guard end >= 20 + 56 else { return nil }
    let locatorStart = end - 20
    let locator = try file.read(at: locatorStart, count: 20)
    guard locator.little(UInt32.self, at: 0) == 0x0706_4b50 else { return nil }
    let start = locator.little(UInt64.self, at: 8)
    guard locator.little(UInt32.self, at: 4) == 0, locator.little(UInt32.self, at: 16) == 1 else {
      throw FormatError.zip(file.path, .severalDisks)
    }
    guard start <= locatorStart - 56 else {
      throw FormatError.zip(file.path, .truncated("ZIP64 end record", at: Int(clamping: start)))
    }
    let record = try file.read(at: Int(start), count: 56)
    guard record.little(UInt32.self, at: 0) == 0x0606_4b50,
      record.little(UInt64.self, at: 4) == UInt64(locatorStart) - start - 12
    else { throw FormatError.zip(file.path, .signature("a ZIP64 end record", at: Int(start))) }
    return (Int(start), record)
  }
}
