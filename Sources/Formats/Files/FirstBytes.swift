/// What a file is by its first bytes, for telling a user what was found where something else was expected: a file's name says
/// nothing, and the most frequent wrong file is one that was never fetched.
package struct FirstBytes: Sendable, Equatable {
  static let zip = "a ZIP file"

  /// How many bytes are looked at.
  package static let count = 64

  /// In words, as in "found a JPEG image"; nil for bytes of no known kind.
  package let name: String?
  /// What to do about files that stand for others.
  package let hint: String?
  private let shown: String

  /// - Parameter bytes: those a file starts with, `count` of them where it has as many.
  package init(_ bytes: [UInt8]) {
    let start = Array(bytes.prefix(Self.count))
    shown = start.prefix(8).map { hexadecimal($0) }.joined(separator: " ")
    (name, hint) = Self.standIn(start) ?? (Self.format(start), nil)
  }

  /// In words for every file.
  package var described: String { name ?? "a file that starts with bytes \(shown)" }

  /// Text that stands where a file should be.
  private static func standIn(_ start: [UInt8]) -> (name: String?, hint: String?)? {
    if start.isEmpty { return ("an empty file", nil) }
    if start.starts(with: Array("version https://git-lfs".utf8)) {
      return ("a Git LFS pointer instead of the file", "fetch the file itself with 'git lfs pull'")
    }
    let text = String(decoding: start.drop { $0 <= 0x20 }, as: UTF8.self).lowercased()
    if text.hasPrefix("<!doctype html") || text.hasPrefix("<html") {
      return ("a web page instead of the file", "download it again, from the address of the file itself")
    }
    return nil
  }

  private static func format(_ start: [UInt8]) -> String? {
    let known: [(beginning: [UInt8], name: String)] = [
      (PNG.signature, "a PNG image"), (JPEG.signature, "a JPEG image"), (Array("GIF8".utf8), "a GIF image"),
      (Array("BM".utf8), "a BMP image"), (Array("RIFF".utf8), "a WebP image"), (Array("II*\0".utf8), "a TIFF image"),
      (Array("MM\0*".utf8), "a TIFF image"),
      (Array("PK\u{3}\u{4}".utf8), zip), ([0x1f, 0x8b], "a gzip file"),
      ([0x93] + Array("NUMPY".utf8), "a NumPy array"), ([0x89] + Array("HDF\r\n".utf8), "an HDF5 file"),
      (Array("GGUF".utf8), "a GGUF file"), ([0, 0, 8], "an IDX file"),
    ]
    if let found = known.first(where: { start.starts(with: $0.beginning) }) { return found.name }
    if start.count > 1, start[0] == 0x80, (2...5).contains(start[1]) { return "a Python pickle" }
    if start.count > 8, start[8] == UInt8(ascii: "{"), start.little(UInt64.self, at: 0) < SafetensorsHeader.sizeLimit {
      return "a safetensors file"
    }
    return start[0] == UInt8(ascii: "{") ? "a JSON text" : nil
  }
}
