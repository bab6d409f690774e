import Crypto

/// SHA-256 digests in lower-case hexadecimal, 64 characters.
package enum Digest {
  package static func sha256(_ bytes: [UInt8]) -> String {
    var digest = Incremental()
    digest.update(bytes)
    return digest.finish()
  }

  /// The digest of a file, read a MiB at a time.
  package static func sha256(file path: String) throws -> String {
    let file = try InputFile(path)
    var digest = Incremental()
    var offset = 0
    while offset < file.size {
      let count = min(1 << 20, file.size - offset)
      digest.update(try file.read(at: offset, count: count))
      offset += count
    }
    return digest.finish()
  }

  /// A digest of bytes that come in pieces.
  package struct Incremental {
    private var hash = SHA256()
    package init() {}
    package mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { hash.update(bufferPointer: $0) } }
    package func finish() -> String {
      let digits = Array("0123456789abcdef".utf8)
      return String(
        decoding: hash.finalize().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
  }
}
