import Formats
import Tensors

/// Writes sources of weights as safetensors files, one array in memory at a time, and keeps account of what that changed.
struct WeightConverter {
  /// One file that was written.
  struct File {
    let path: String
    let arrays: Int
    let bytes: Int
    let values: Int
    /// Element types that were written.
    let types: [ElementType]
    let changed: Int
    let largestError: Double
    /// The array with the largest error.
    let worst: String?
  }

  /// What floating-point arrays become; nil for what they are.
  let type: ElementType?
  private(set) var files: [File] = []

  init(type: ElementType?) { self.type = type }

  private static let chunk = 1 << 22

  mutating func write(_ source: some WeightSource, to path: String) throws {
    let entries = source.entries.map { WeightEntry(name: $0.name, type: target(of: $0), dims: $0.dims) }
    let bytes = entries.reduce(0) { $0 + $1.byteCount }
    try checkSpace(bytes, path)
    var changed = 0
    var worst: (name: String?, error: Double) = (nil, 0)
    var overflows: [(name: String, count: Int)] = []
    var left = entries.count
    try Safetensors.write(entries, metadata: ["format": "pt"], to: path) { entry, put in
      left -= 1
      let stored = try source.read(entry.name)
      if stored.type == entry.type {
        try put(stored.bytes)
      } else {
        var conversion = ElementConversion(from: stored.type, to: entry.type)
        for start in stride(from: 0, to: stored.bytes.count, by: Self.chunk) {
          try put(conversion.convert(stored.bytes, start..<min(start + Self.chunk, stored.bytes.count)))
        }
        changed += conversion.changed
        if conversion.largestError > worst.error { worst = (entry.name, conversion.largestError) }
        if conversion.overflows > 0 { overflows.append((entry.name, conversion.overflows)) }
      }
      // All of them are named, and the file does not appear.
      if left == 0, !overflows.isEmpty, let type {
        overflows.sort { $0.name < $1.name }
        throw ConvertError.overflow(
          path: source.label, type: type, arrays: overflows.map(\.name), counts: overflows.map(\.count))
      }
    }
    files.append(
      File(
        path: path, arrays: entries.count, bytes: bytes, values: entries.reduce(0) { $0 + $1.count },
        types: Set(entries.map(\.type)).sorted { $0.rawValue < $1.rawValue }, changed: changed,
        largestError: worst.error, worst: worst.name))
  }

  private func target(of entry: WeightEntry) -> ElementType {
    entry.type.isFloatingPoint ? type ?? entry.type : entry.type
  }

  /// Said before anything is written, not after the disk has been filled.
  private func checkSpace(_ bytes: Int, _ path: String) throws {
    guard let available = Folder.available(at: parentFolder(of: path)), bytes > available else { return }
    throw FormatError.file(path, .noSpace(needed: bytes, available: available))
  }
}
