import Formats
import Tensors

/// What `convert` wrote and what it changed.
struct ConversionReport {
  let input: String
  let layout: ConvertCommand.Layout
  let files: [WeightConverter.File]
  let notes: [String]

  var text: String { files.map(Self.line).joined(separator: "\n") }

  private static func line(_ file: WeightConverter.File) -> String {
    let types = file.types.map(\.rawValue).joined(separator: ", ")
    let size =
      "\(file.path): \(file.arrays == 1 ? "1 array" : "\(file.arrays) arrays"), \(shown(bytes: file.bytes)), \(types)"
    guard file.changed > 0 else { return size + ", every value as it was" }
    let worst = file.worst.map { ", by at most \(file.largestError) (\(printable($0)))" } ?? ""
    return size + ", \(file.changed) of \(file.values) values rounded" + worst
  }

  var value: ConfigurationValue {
    [
      "input": .string(input), "layout": .string(layout.rawValue),
      "files": .list(
        files.map { file in
          [
            "path": .string(file.path), "arrays": .integer(file.arrays), "bytes": .integer(file.bytes),
            "types": .list(file.types.map { .string($0.rawValue) }), "values": .integer(file.values),
            "values_rounded": .integer(file.changed), "largest_error": .number(file.largestError),
            "largest_error_in": file.worst.map { .string($0) } ?? .null,
          ]
        }),
      "notes": .list(notes.map { .string($0) }),
    ]
  }
}
