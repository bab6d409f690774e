/// CRC-32 as ZIP and PNG use it, of whole arrays.
package func crc32(_ bytes: [UInt8]) -> UInt32 {
  var crc: UInt32 = .max
  for byte in bytes {
    crc ^= UInt32(byte)
    for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
  }
  return ~crc
}

/// A ZIP file of stored members.
package func storedZip(_ members: [(name: String, bytes: [UInt8])]) -> [UInt8] {
  func little(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }
  var (data, directory): ([UInt8], [UInt8]) = ([], [])
  for member in members {
    let fields =
      little(20, 2) + little(0, 8) + little(Int(crc32(member.bytes)), 4) + little(member.bytes.count, 4)
      + little(member.bytes.count, 4) + little(member.name.utf8.count, 2) + little(0, 2)
    directory +=
      [0x50, 0x4b, 1, 2] + little(20, 2) + fields + little(0, 10) + little(data.count, 4) + Array(member.name.utf8)
    data += [0x50, 0x4b, 3, 4] + fields + Array(member.name.utf8) + member.bytes
  }
  return data + directory + [0x50, 0x4b, 5, 6] + little(0, 4) + little(members.count, 2) + little(members.count, 2)
    + little(directory.count, 4) + little(data.count, 4) + little(0, 2)
}
