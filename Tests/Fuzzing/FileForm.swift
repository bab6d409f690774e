import Formats
import Tensors
import TestSupport

/// How a kind of file is built, so that a change reaches the reader's inner parts: what guards the changed part (a length, a
/// checksum, an archive's directory) is made right again afterwards, most of the time.
package indirect enum FileForm: Sendable {
  case bytes
  case text
  /// Chunks with checksums.
  case png
  /// A length and a text in front of data.
  case npy, safetensors
  /// A safetensors file whose metadata holds a text.
  case artefact(metadataKey: String)
  /// Members, each of a form of its own.
  case zip(FileForm)
  /// Python's pickles: bytes, with runs of operations that build values within values.
  case pickle

  /// One change of a valid file `bytes`. - Parameter other: another valid file of the form.
  func mutate(_ bytes: inout [UInt8], other: [UInt8], _ random: inout SplitMix64) {
    // One in five changes leaves guards as they were.
    let guarded = Int.random(in: 0..<5, using: &random) > 0
    switch self {
    case .text: TextMutations.apply(to: &bytes, other: other, &random)
    case .png where guarded: PNGParts.mutate(&bytes, &random)
    case .npy where guarded: HeaderParts(lengthAt: 8, width: 2).mutate(&bytes, other: other, &random)
    case .safetensors where guarded: HeaderParts(lengthAt: 0, width: 8).mutate(&bytes, other: other, &random)
    case .artefact(let key) where guarded: Self.mutateMetadata(&bytes, key: key, &random)
    case .zip(let form) where guarded: ZipParts.mutate(&bytes, form, &random)
    case .pickle where guarded && !bytes.isEmpty:
      // EMPTY_TUPLE, MARK, TUPLE1, EMPTY_LIST, EMPTY_DICT, NONE, APPEND, BUILD, DUP's memo, REDUCE.
      let operation: [UInt8] = [
        [0x29], [0x28], [0x85], [0x5d], [0x7d], [0x4e], [0x5d, 0x61], [0x62], [0x94], [0x52], [0x28, 0x74],
      ]
      .randomElement(using: &random)!
      let run = [[UInt8]](repeating: operation, count: [1, 2, 100, 50_000].randomElement(using: &random)!)
      bytes.insert(contentsOf: run.flatMap { $0 }, at: Int.random(in: 0..<bytes.count, using: &random))
    case .bytes, .pickle, .png, .npy, .safetensors, .artefact, .zip:
      ByteMutations.apply(to: &bytes, other: other, &random)
    }
  }

  private static func mutateMetadata(_ bytes: inout [UInt8], key: String, _ random: inout SplitMix64) {
    guard var archive = try? SafetensorsFile(InputFile(bytes: bytes, name: "seed")).archive(),
      let text = archive.metadata[key]
    else { return ByteMutations.apply(to: &bytes, other: bytes, &random) }
    var changed = Array(text.utf8)
    TextMutations.apply(to: &changed, other: changed, &random)
    // Metadata is text: what is not valid UTF-8 would be refused by the writer.
    archive.metadata[key] = String(decoding: changed, as: UTF8.self)
    if Int.random(in: 0..<4, using: &random) == 0, let name = archive.names.randomElement(using: &random) {
      let old = archive.tensors.removeValue(forKey: name)!
      let type = ElementType.allCases.filter { $0.byteCount == old.type.byteCount }.randomElement(using: &random)!
      archive.tensors[name] = StoredTensor(
        type: type, dims: old.dims,
        bytes: old.bytes.map { $0 ^ (UInt8.random(in: 0...20, using: &random) == 0 ? 0x80 : 0) })
    }
    bytes = Safetensors.encode(archive)
  }
}

/// A length, a text of that length, and data.
private struct HeaderParts {
  let lengthAt: Int
  let width: Int

  func mutate(_ bytes: inout [UInt8], other: [UInt8], _ random: inout SplitMix64) {
    let start = lengthAt + width
    guard bytes.count >= start else { return ByteMutations.apply(to: &bytes, other: other, &random) }
    let length = (0..<width).reduce(0) { $0 | Int(bytes[lengthAt + $1]) << (8 * $1) }
    guard length >= 0, length <= bytes.count - start else {
      return ByteMutations.apply(to: &bytes, other: other, &random)
    }
    var (header, data) = (Array(bytes[start..<(start + length)]), Array(bytes[(start + length)...]))
    if Int.random(in: 0..<4, using: &random) == 0 {
      ByteMutations.apply(to: &data, other: data, &random)
    } else {
      TextMutations.apply(to: &header, other: header, &random)
    }
    let count = (0..<width).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
    bytes = bytes[..<lengthAt] + count + header + data
  }
}

/// Chunks: a length, four letters, data and a checksum.
private enum PNGParts {
  static func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
    var chunks: [(type: [UInt8], data: [UInt8])] = []
    var position = 8
    while position + 12 <= bytes.count {
      let length = (0..<4).reduce(0) { $0 << 8 | Int(bytes[position + $1]) }
      guard length <= bytes.count - position - 12 else { break }
      chunks.append(
        (Array(bytes[(position + 4)..<(position + 8)]), Array(bytes[(position + 8)..<(position + 8 + length)])))
      position += 12 + length
    }
    guard !chunks.isEmpty else { return ByteMutations.apply(to: &bytes, other: bytes, &random) }
    let place = Int.random(in: 0..<chunks.count, using: &random)
    switch Int.random(in: 0..<7, using: &random) {
    case 0: chunks.insert(chunks[place], at: Int.random(in: 0...chunks.count, using: &random))
    case 1: chunks.remove(at: place)
    case 2: chunks.swapAt(place, Int.random(in: 0..<chunks.count, using: &random))
    case 3:
      let types = ["PLTE", "tRNS", "gAMA", "acTL", "zTXt", "iCCP", "tEXt", "iTXt", "sBIT", "cHRM", "eXIf", "IDAT"]
      chunks[place].type = Array(types.randomElement(using: &random)!.utf8)
    default: ByteMutations.apply(to: &chunks[place].data, other: chunks[place].data, &random)
    }
    bytes = Array(bytes[..<8])
    for chunk in chunks {
      let body = chunk.type + chunk.data
      bytes += bigEndian(UInt32(chunk.data.count)) + body + bigEndian(crc32(body))
    }
  }

  private static func bigEndian(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
  }
}

/// Members of an archive, stored.
private enum ZipParts {
  static func mutate(_ bytes: inout [UInt8], _ form: FileForm, _ random: inout SplitMix64) {
    guard var members = try? ZipMembers.all(of: bytes), !members.isEmpty else {
      return ByteMutations.apply(to: &bytes, other: bytes, &random)
    }
    let place = Int.random(in: 0..<members.count, using: &random)
    switch Int.random(in: 0..<10, using: &random) {
    case 0: members.remove(at: place)
    case 1: members.append(("copy-\(members.count)-" + members[place].name, members[place].bytes))
    case 2:
      let names = [
        "", "../x.png", "a\\b.png", "/abs.npy", "__MACOSX/x.png", ".hidden",
        String(repeating: "a/", count: 3000) + "x.png",
        "x/data.pkl", "mu.npy", "arr_0.npy", "byteorder",
      ]
      members[place].name = names.randomElement(using: &random)!
    case 3:
      for number in 0..<Int.random(in: 1...300, using: &random) {
        members.append(("m\(number).npy", members[place].bytes))
      }
    default: form.mutate(&members[place].bytes, other: members.randomElement(using: &random)!.bytes, &random)
    }
    bytes = storedZip(members)
  }
}
