import TestSupport

/// The members of a ZIP file that stores them, by its directory: enough for seeds, which are valid.
enum ZipMembers {
  struct Unreadable: Error {}

  static func all(of bytes: [UInt8]) throws -> [(name: String, bytes: [UInt8])] {
    func number(_ offset: Int, _ width: Int) throws -> Int {
      guard offset >= 0, offset + width <= bytes.count else { throw Unreadable() }
      return (0..<width).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
    }
    func slice(_ start: Int, _ count: Int) throws -> [UInt8] {
      guard start >= 0, count >= 0, count <= bytes.count - start else { throw Unreadable() }
      return Array(bytes[start..<(start + count)])
    }
    guard bytes.count >= 22,
      let end = (0...(bytes.count - 22)).last(where: { bytes[$0...].starts(with: [0x50, 0x4b, 5, 6]) })
    else { throw Unreadable() }
    var position = try number(end + 16, 4)
    var members: [(name: String, bytes: [UInt8])] = []
    for _ in 0..<(try number(end + 10, 2)) {
      let (method, size, header) = (
        try number(position + 10, 2), try number(position + 24, 4), try number(position + 42, 4)
      )
      guard method == 0 else { throw Unreadable() }
      let nameCount = try number(position + 28, 2)
      let name = String(decoding: try slice(position + 46, nameCount), as: UTF8.self)
      let data = header + 30 + (try number(header + 26, 2)) + (try number(header + 28, 2))
      members.append((name, try slice(data, size)))
      position += 46 + nameCount + (try number(position + 30, 2)) + (try number(position + 32, 2))
    }
    return members
  }
}
