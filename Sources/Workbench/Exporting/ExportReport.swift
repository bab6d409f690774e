import Formats
import Tensors

/// What `export` wrote.
struct ExportReport {
  let format: ExportCommand.Format
  let path: String
  /// Of the file, or of all arrays of a folder, in bytes.
  let size: Int
  /// What it consists of, by name.
  let summary: ConfigurationValue
  let notes: [String]

  var text: String {
    let parts: [String]
    if case .map(let entries) = summary {
      parts = entries.map { entry in
        switch entry.value {
        case .list(let items): "\(entry.key) " + items.map(Self.plain).joined(separator: ", ")
        case .integer(1) where entry.key.hasSuffix("s"): "1 \(entry.key.dropLast())"
        case .integer(let count): "\(count) \(entry.key)"
        case .null, .bool, .number, .string, .map: "\(entry.key) \(Self.plain(entry.value))"
        }
      }
    } else {
      parts = []
    }
    return "\(path): " + ([shown(bytes: size)] + parts).joined(separator: ", ")
  }

  private static func plain(_ value: ConfigurationValue) -> String {
    if case .string(let text) = value { text } else { value.shown }
  }

  var value: ConfigurationValue {
    [
      "format": .string(format.rawValue), "path": .string(path), "bytes": .integer(size), "contents": summary,
      "notes": .list(notes.map { .string($0) }),
    ]
  }
}
