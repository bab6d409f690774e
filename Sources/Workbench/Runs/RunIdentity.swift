import Formats
import Tensors

/// What decides the results of a run, and so whether a folder may be continued: what stands here must be equal, anything
/// else (batch size, threads, how many images) may differ between the first attempt and the next.
package struct RunIdentity: Sendable, Equatable {
  package struct Difference: Sendable, Equatable {
    /// Dotted path of the key: `sampler.eta`.
    package let key: String
    /// The value in the folder, as text; nil when it has no such key.
    package let found: String?
    /// The value of this run.
    package let asked: String?
    package init(key: String, found: String?, asked: String?) {
      self.key = key
      self.found = found
      self.asked = asked
    }
  }

  package let value: ConfigurationValue

  /// - Parameter value: a map; its order is kept in the file and ignored in comparisons.
  package init(_ value: ConfigurationValue) { self.value = value }

  /// Every key whose value differs, sorted; none when a folder of `other` may be continued.
  package func differences(inFolder other: RunIdentity) -> [Difference] {
    let (asked, found) = (leaves, other.leaves)
    return Set(asked.keys).union(found.keys).sorted().compactMap { key in
      asked[key] == found[key] ? nil : Difference(key: key, found: found[key], asked: asked[key])
    }
  }

  /// Every value as text by its dotted path.
  package var leaves: [String: String] { Self.leaves(value, path: "") }

  /// SHA-256 of all keys and values, whatever their order.
  package var digest: String {
    let lines = leaves.sorted { $0.key < $1.key }.map { "\($0.key) = \($0.value)\n" }
    return Digest.sha256(Array(lines.joined().utf8))
  }

  private static func leaves(_ value: ConfigurationValue, path: String) -> [String: String] {
    switch value {
    case .map(let entries):
      var out: [String: String] = [:]
      for entry in entries {
        out.merge(leaves(entry.value, path: path.isEmpty ? entry.key : "\(path).\(entry.key)")) { $1 }
      }
      return out
    case .list(let items):
      // Lists are compared whole: one changed timestep should not become fifty lines.
      return [path: "[" + items.map(listed).joined(separator: ", ") + "]"]
    case .null, .bool, .integer, .number, .string:
      return [path: value.shown]
    }
  }

  private static func listed(_ item: ConfigurationValue) -> String {
    switch item {
    case .map(let entries): "{" + entries.map { "\($0.key): \(listed($0.value))" }.joined(separator: ", ") + "}"
    case .list(let items): "[" + items.map(listed).joined(separator: ", ") + "]"
    case .null, .bool, .integer, .number, .string: item.shown
    }
  }
}
