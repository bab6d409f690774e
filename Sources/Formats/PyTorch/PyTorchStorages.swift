import Tensors

/// Where the elements of a checkpoint's storages stand in its file.
struct PyTorchStorages: Sendable {
  /// The elements under one key.
  enum Place: Sendable {
    case bytes(Range<Int>)
    case member(ZipArchive.Member)

    var count: Int {
      switch self {
      case .bytes(let range): range.count
      case .member(let member): member.size
      }
    }
  }

  let file: InputFile
  let places: [String: Place]

  /// Those bytes of the storage `key`. Of a member of a ZIP file that is read whole, and of a deflated one, the
  /// checksum is verified.
  /// - Precondition: the range lies within the storage.
  func read(_ key: String, _ range: Range<Int>) throws -> [UInt8] {
    guard let place = places[key] else { preconditionFailure("storages are checked at opening") }
    switch place {
    case .bytes(let all): return try file.read(at: all.lowerBound + range.lowerBound, count: range.count)
    case .member(let member) where member.deflated: return try inflated(member, range)
    case .member(let member) where range == 0..<member.size && member.size > 0:
      return try ZipMemberStream(member, in: file).read(member.size)
    case .member(let member): return try file.read(at: member.dataOffset + range.lowerBound, count: range.count)
    }
  }

  /// Deflated data can only be read from its start.
  private func inflated(_ member: ZipArchive.Member, _ range: Range<Int>) throws -> [UInt8] {
    let stream = try ZipMemberStream(member, in: file)
    func skip(_ count: Int) throws {
      var left = count
      while left > 0 {
        let step = min(left, 1 << 20)
        _ = try stream.read(step)
        left -= step
      }
    }
    try skip(range.lowerBound)
    let bytes = range.isEmpty ? [] : try stream.read(range.count)
    try skip(stream.remaining)
    return bytes
  }

  /// Every tensor's storage is there, of exactly the size and at the key that the pickle says.
  func check(_ tensors: [String: PickleTensor]) throws(PyTorchProblem) {
    for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      let storage = tensor.storage
      let expected = storage.count * storage.type.byteCount
      guard let found = places[storage.key]?.count, found == expected else {
        throw .storage(name, key: storage.key, expected: expected, found: places[storage.key]?.count)
      }
    }
  }
}
