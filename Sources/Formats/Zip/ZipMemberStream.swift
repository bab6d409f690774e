import Tensors

/// The content of one member, expanded as it is read; its length and checksum are verified with the last byte.
final class ZipMemberStream: ByteStream {
  private let member: ZipArchive.Member
  private let file: InputFile
  private let source: FileStream
  private let inflater: Inflater?
  private var checksum: UInt32 = 0
  private(set) var remaining: Int

  init(_ member: ZipArchive.Member, in file: InputFile) throws(MemoryError) {
    self.member = member
    self.file = file
    source = FileStream(file, range: member.dataOffset..<(member.dataOffset + member.compressedSize))
    inflater = member.deflated ? try Inflater(source, container: .raw) : nil
    remaining = member.size
  }

  func read(_ count: Int) throws -> [UInt8] {
    precondition(count <= remaining)
    let bytes = try inflater.map { try inflated($0, count) } ?? source.read(count)
    checksum = bytes.withUnsafeBytes { crc32($0, continuing: checksum) }
    remaining -= count
    if remaining == 0 { try verifyEnd() }
    return bytes
  }

  private func inflated(_ inflater: Inflater, _ count: Int) throws -> [UInt8] {
    try checkMemory(count, file.path)
    let offset = member.size - remaining
    return try translating {
      try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        initialized = try inflater.read(
          into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count]))
        if initialized < count {
          throw FormatError.zip(
            file.path, .length(member.name, expected: member.size, found: "\(offset + initialized)"))
        }
      }
    }
  }

  private func verifyEnd() throws {
    if let inflater, try !translating(inflater.endsHere) || inflater.offset != member.dataOffset + member.compressedSize
    {
      throw FormatError.zip(file.path, .length(member.name, expected: member.size, found: "more"))
    }
    if checksum != member.checksum {
      throw FormatError.zip(file.path, .checksum(member.name, expected: member.checksum, found: checksum))
    }
  }

  private func translating<T>(_ body: () throws -> T) throws -> T {
    do {
      return try body()
    } catch InflateFault.damaged(let reason, let at) {
      throw FormatError.zip(file.path, .inflate(member.name, "\(reason), near byte \(at)"))
    } catch InflateFault.truncated {
      throw FormatError.zip(file.path, .inflate(member.name, "it ends early"))
    }
  }
}
