/// Everything wrong with one configuration, reported together.
package struct ConfigurationError: HalftoneError, Equatable {
  package struct Problem: Sendable, Equatable {
    /// Where: `unet/config.json: down_block_types[2]`.
    package let path: String
    package let text: String
    package init(path: String, text: String) {
      self.path = path
      self.text = text
    }
  }
  package let problems: [Problem]
  package init(problems: [Problem]) { self.problems = problems }
  package var id: String { "E-CONFIG" }
  package var exit: ExitStatus { .refusedInput }
  package var message: String { listed(problems.lazy.map { "\($0.path): \($0.text)" }) }
}

/// Strict, path-tracking decoding of a map. Getters never throw: they record what is wrong and return a stand-in, and
/// `finish()` throws every problem of the whole document at once, keys nobody asked for included ("did you mean …").
package final class ConfigurationReader {
  private final class Log { var problems: [ConfigurationError.Problem] = [] }

  /// Longer lists belong in files of arrays, and every entry of a wrong one would be a problem to report.
  package static let listLimit = 1 << 16

  package let path: String
  private let log: Log
  private let entries: [ConfigurationValue.Entry]
  /// Where each key stands in `entries`.
  private let positions: [String: Int]
  private var asked: Set<String> = []
  private var children: [ConfigurationReader] = []

  /// - Parameter file: what messages name, usually the file's path.
  package convenience init(_ value: ConfigurationValue, file: String) { self.init(value, path: file, log: Log()) }

  private init(_ value: ConfigurationValue, path: String, log: Log) {
    self.path = path
    self.log = log
    if case .map(let entries) = value {
      self.entries = entries
    } else {
      self.entries = []
      log.problems.append(.init(path: path, text: "expected a map, found \(value.kind)"))
    }
    positions = Dictionary(entries.enumerated().map { ($1.key, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// Keys of this map in file order.
  package var keys: [String] { entries.map(\.key) }

  /// The raw value of `key`, marked as read; nil when absent. JSON null counts as present.
  package func value(_ key: String) -> ConfigurationValue? {
    asked.insert(key)
    return positions[key].map { entries[$0].value }
  }

  /// Records a problem at `key` (or at this map itself).
  package func report(_ key: String?, _ text: String) {
    log.problems.append(.init(path: key.map { keyPath($0) } ?? path, text: text))
  }

  /// Whether nothing was recorded at `keys` or below: cross-checks between values only make sense then.
  package func isSound(_ keys: String...) -> Bool {
    let paths = keys.map(keyPath)
    return !log.problems.contains { problem in
      paths.contains { problem.path == $0 || problem.path.hasPrefix("\($0)[") || problem.path.hasPrefix("\($0).") }
    }
  }

  private func keyPath(_ key: String) -> String {
    path.hasSuffix("]") || path.contains(": ") ? "\(path).\(printable(key))" : "\(path): \(printable(key))"
  }

  /// Marks keys as known without reading them: `_class_name` and other provenance of foreign files.
  package func ignore(_ keys: String...) { asked.formUnion(keys) }

  /// Unmarks keys that were only looked at, so that they count as unused.
  package func forget(_ keys: String...) { asked.subtract(keys) }

  /// The entries that nobody read, in file order, marked as known: what a foreign file says beyond what is used. Keys that
  /// begin with an underscore describe the file and are left out. A key near one that was read is surely meant to be it, and
  /// stays to be reported by `finish`, unless it stands in `mistakable`; of a map with more keys than any real file has, only
  /// the first are compared.
  package func unusedEntries(mistakable: Set<String>) -> [ConfigurationValue.Entry] {
    let read = asked.sorted()
    var unused: [ConfigurationValue.Entry] = []
    for (position, entry) in entries.enumerated() where !asked.contains(entry.key) {
      let isCompared = position < 256 && !mistakable.contains(entry.key)
      if isCompared, nearest(entry.key, in: read) != nil { continue }
      asked.insert(entry.key)
      if !entry.key.hasPrefix("_") { unused.append(entry) }
    }
    return unused
  }

  // MARK: Scalars. Absent (or null) → `default`; absent without default → a recorded problem.

  package func bool(_ key: String, default fallback: Bool? = nil) -> Bool {
    read(key, fallback, expected: "true or false", standIn: false) { if case .bool(let b) = $0 { b } else { nil } }
  }

  package func int(_ key: String, default fallback: Int? = nil, in range: ClosedRange<Int>) -> Int {
    read(
      key, fallback, expected: "an integer from \(range.lowerBound) to \(range.upperBound)", standIn: range.lowerBound
    ) {
      Self.integer($0).flatMap { range.contains($0) ? $0 : nil }
    }
  }

  package func double(
    _ key: String, default fallback: Double? = nil, in range: ClosedRange<Double> = -1e300...1e300
  ) -> Double {
    read(key, fallback, expected: "a number from \(range.lowerBound) to \(range.upperBound)", standIn: range.lowerBound)
    {
      Self.number($0).flatMap { range.contains($0) ? $0 : nil }
    }
  }

  package func string(_ key: String, default fallback: String? = nil) -> String {
    read(key, fallback, expected: "a string", standIn: "") { if case .string(let s) = $0 { s } else { nil } }
  }

  /// One of an enumeration's raw values; anything else is refused with the nearest legal value suggested.
  package func choice<E: RawRepresentable & CaseIterable>(_ key: String, default fallback: E? = nil) -> E
  where E.RawValue == String {
    let legal = E.allCases.map(\.rawValue)
    guard let raw = value(key), raw != .null else {
      if let fallback { return fallback }
      report(key, "missing; expected one of \(legal.joined(separator: ", "))")
      return E.allCases.first!
    }
    if case .string(let text) = raw, let found = E(rawValue: text) { return found }
    var text = "expected one of \(legal.joined(separator: ", ")), found \(raw.shown)"
    if case .string(let s) = raw, let near = nearest(s, in: legal) { text += " (did you mean \"\(near)\"?)" }
    report(key, text)
    return E.allCases.first!
  }

  // MARK: Containers

  package func ints(_ key: String, default fallback: [Int]? = nil, in range: ClosedRange<Int>) -> [Int] {
    list(key, fallback, expected: "an integer from \(range.lowerBound) to \(range.upperBound)") {
      Self.integer($0).flatMap { range.contains($0) ? $0 : nil }
    }
  }

  package func doubles(_ key: String, default fallback: [Double]? = nil) -> [Double] {
    list(key, fallback, expected: "a finite number") { Self.number($0) }
  }

  package func strings(_ key: String, default fallback: [String]? = nil) -> [String] {
    list(key, fallback, expected: "a string") { if case .string(let s) = $0 { s } else { nil } }
  }

  /// The map under `key`, read by a nested reader whose problems join this one's; nil when absent or null.
  package func map(_ key: String) -> ConfigurationReader? {
    guard let raw = value(key), raw != .null else { return nil }
    let child = ConfigurationReader(raw, path: keyPath(key), log: log)
    children.append(child)
    return child
  }

  /// The maps of a list under `key`.
  package func maps(_ key: String) -> [ConfigurationReader] {
    guard let raw = value(key), raw != .null else { return [] }
    guard case .list(let items) = raw else {
      report(key, "expected a list of maps, found \(raw.shown)")
      return []
    }
    guard isShort(items, key) else { return [] }
    let readers = items.enumerated().map { ConfigurationReader($1, path: "\(keyPath(key))[\($0)]", log: log) }
    children += readers
    return readers
  }

  /// Throws everything that was recorded, here and in nested readers, and every key that nobody read.
  package func finish() throws(ConfigurationError) {
    reportUnknownKeys()
    if !log.problems.isEmpty { throw ConfigurationError(problems: log.problems) }
  }

  private func reportUnknownKeys() {
    let known = asked.sorted()
    for entry in entries where !asked.contains(entry.key) {
      // Suggestions for as many as a message shows.
      let near = log.problems.count < listedLimit ? nearest(entry.key, in: known) : nil
      report(entry.key, "unknown key" + (near.map { " (did you mean \"\($0)\"?)" } ?? ""))
    }
    children.forEach { $0.reportUnknownKeys() }
  }

  // MARK: Plumbing

  private func read<T>(
    _ key: String, _ fallback: T?, expected: String, standIn: T, _ convert: (ConfigurationValue) -> T?
  ) -> T {
    guard let raw = value(key), raw != .null else {
      if let fallback { return fallback }
      report(key, "missing; expected \(expected)")
      return standIn
    }
    if let converted = convert(raw) { return converted }
    report(key, "expected \(expected), found \(raw.shown)")
    return fallback ?? standIn
  }

  private func list<T>(
    _ key: String, _ fallback: [T]?, expected: String, _ convert: (ConfigurationValue) -> T?
  ) -> [T] {
    guard let raw = value(key), raw != .null else {
      if let fallback { return fallback }
      report(key, "missing; expected a list")
      return []
    }
    guard case .list(let items) = raw else {
      report(key, "expected a list, found \(raw.shown)")
      return fallback ?? []
    }
    guard isShort(items, key) else { return fallback ?? [] }
    var out: [T] = []
    for (position, item) in items.enumerated() {
      if let converted = convert(item) {
        out.append(converted)
      } else {
        report("\(key)[\(position)]", "expected \(expected), found \(item.shown)")
      }
    }
    return out
  }

  private func isShort(_ items: [ConfigurationValue], _ key: String) -> Bool {
    if items.count > Self.listLimit { report(key, "a list of \(items.count), over the limit of \(Self.listLimit)") }
    return items.count <= Self.listLimit
  }

  private static func integer(_ value: ConfigurationValue) -> Int? {
    switch value {
    case .integer(let i): i
    case .number(let d): Int(exactly: d)
    default: nil
    }
  }

  private static func number(_ value: ConfigurationValue) -> Double? {
    switch value {
    case .integer(let i): Double(i)
    case .number(let d): d.isFinite ? d : nil
    default: nil
    }
  }
}

/// The entry of `candidates` within edit distance 3 (and less than half of the word's length) of `word`, for "did you mean".
package func nearest(_ word: String, in candidates: [String]) -> String? {
  let scored = candidates.map { ($0, editDistance(word, $0)) }
  guard let best = scored.min(by: { $0.1 < $1.1 }), best.1 <= 3, best.1 * 2 < max(word.count, 2) else { return nil }
  return best.0
}

private func editDistance(_ a: String, _ b: String) -> Int {
  let (a, b) = (Array(a.prefix(64)), Array(b.prefix(64)))
  var previous = Array(0...b.count)
  for (i, x) in a.enumerated() {
    var row = [i + 1]
    for (j, y) in b.enumerated() { row.append(min(previous[j + 1] + 1, row[j] + 1, previous[j] + (x == y ? 0 : 1))) }
    previous = row
  }
  return previous[b.count]
}
