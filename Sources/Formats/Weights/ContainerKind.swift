import Tensors

/// What a file is by its bytes, whatever its name says: the containers that weights are read from, and what stands in their
/// place when a download, a copy or a command went wrong.
package enum ContainerKind: Sendable, Equatable {
  case safetensors
  /// Written by torch.save since PyTorch 1.6: a ZIP with one pickle and the elements.
  case torchZip
  /// Written by torch.save before.
  case torchLegacy

  case empty
  /// The 130 bytes that Git keeps instead of a large file; with the large file's size, if they say it.
  case lfsPointer(size: Int?)
  case webPage
  case json
  case onnx
  case gguf
  case numPy
  case numPyArchive
  case torchScript
  case kerasHDF5
  case hdf5
  case zip
  /// A ZIP whose directory cannot be read, which says why.
  case damagedZip
  case gzip
  case tar
  case messagePack
  case pickle
  /// A PNG or JPEG.
  case image
  /// None of the texts above, such as YAML.
  case text
  case unknown

  package init(_ path: String) throws { try self.init(InputFile(path)) }

  package init(_ file: InputFile) throws {
    let start = try file.read(at: 0, count: min(file.size, 1024))
    self = try Self.binary(start, file) ?? Self.text(start) ?? .unknown
  }

  private static func binary(_ start: [UInt8], _ file: InputFile) throws -> ContainerKind? {
    func begins(_ bytes: [UInt8]) -> Bool { start.starts(with: bytes) }
    if start.isEmpty { return .empty }
    // Eight bytes of header length, at most 100 MB, and the header's brace.
    if start.count > 8, start[5..<8].allSatisfy({ $0 == 0 }), start[8] == UInt8(ascii: "{") { return .safetensors }
    if begins(Array("PK\u{3}\u{4}".utf8)) || begins(Array("PK\u{5}\u{6}".utf8)) { return Self.zipKind(file) }
    if begins(Array(PyTorchFile.legacyStart.prefix(15))) { return .torchLegacy }
    if start.count > 1, start[0] == 0x80, (2...5).contains(start[1]) { return .pickle }
    if begins(Array("GGUF".utf8)) { return .gguf }
    if begins([0x93] + Array("NUMPY".utf8)) { return .numPy }
    if begins([0x89] + Array("HDF\r\n\u{1a}\n".utf8)) { return try Self.hdf5Kind(file) }
    if begins([0x1f, 0x8b]) { return .gzip }
    if begins(PNG.signature) || begins(JPEG.signature) { return .image }
    if start.count >= 262, start[257..<262].elementsEqual("ustar".utf8) { return .tar }
    // Protocol buffers: a small version number as field 1, then the producer's name as field 2.
    if start.count > 3, start[0] == 8, start[1] < 0x40, start[2] == 0x12 { return .onnx }
    // A map whose first key is a short text, as Flax writes its parameters.
    if start.count > 1, (0x81...0x8f).contains(start[0]), (0xa1...0xbf).contains(start[1]) { return .messagePack }
    return nil
  }

  private static func text(_ start: [UInt8]) -> ContainerKind? {
    let mark: [UInt8] = [0xef, 0xbb, 0xbf]
    let rest = start.starts(with: mark) ? start.dropFirst(3) : start[...]
    let text = String(decoding: rest.drop { [0x20, 9, 10, 13].contains($0) }, as: UTF8.self)
    if text.hasPrefix("version https://git-lfs") || text.hasPrefix("version https://hawser") {
      let size = text.split(separator: "\n").first { $0.hasPrefix("size ") }.flatMap { Int($0.dropFirst(5)) }
      return .lfsPointer(size: size)
    }
    let head = text.prefix(64).lowercased()
    if ["<!doctype", "<html", "<head", "<body", "<?xml", "<!--", "<error"].contains(where: head.hasPrefix) {
      return .webPage
    }
    if head.hasPrefix("{") || head.hasPrefix("[") { return .json }
    // The last character may be cut.
    let isText = !start.contains { ($0 < 0x20 && ![9, 10, 13].contains($0)) || $0 == 0x7f }
    return isText && (0...3).contains { String(validating: start.dropLast($0), as: UTF8.self) != nil } ? .text : nil
  }

  private static func zipKind(_ file: InputFile) -> ContainerKind {
    guard let archive = try? ZipArchive(file) else { return .damagedZip }
    let names = archive.members.map(\.name)
    if names.contains(where: { $0.hasSuffix("/constants.pkl") }) { return .torchScript }
    if names.count(where: { $0.hasSuffix("/data.pkl") }) == 1 { return .torchZip }
    return !names.isEmpty && names.allSatisfy { $0.hasSuffix(".npy") } ? .numPyArchive : .zip
  }

  /// Keras writes its version as an attribute near the start of the file.
  private static func hdf5Kind(_ file: InputFile) throws -> ContainerKind {
    let start = try file.read(at: 0, count: min(file.size, 1 << 20))
    return ["keras_version", "layer_names", "model_weights"].contains { start.contains(Array($0.utf8)) }
      ? .kerasHDF5 : .hdf5
  }

  /// Whether a reader of PyTorch's ZIP files may look into it.
  var isZip: Bool { self == .torchZip || self == .damagedZip }

  /// Refuses what is known to be something else. - Parameter path: the file's, for the message.
  func checkMayBeSafetensors(_ path: String) throws(FormatError) {
    switch self {
    // The reader itself says what is wrong with these.
    case .safetensors, .empty, .unknown, .damagedZip: return
    default: throw .weights(path, .kind(self))
    }
  }
}
