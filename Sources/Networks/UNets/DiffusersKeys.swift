import Graphs
import Tensors

/// Keys that the configurations of diffusers' networks share, read as diffusers reads them.
extension ConfigurationReader {
  /// Reports keys that are null where null has no meaning.
  /// - Parameter known: a configuration as it is written, every key present.
  func reportNulls(in known: ConfigurationValue, but nullable: Set<String>) {
    guard case .map(let entries) = known else { return }
    for entry in entries where !nullable.contains(entry.key) && value(entry.key) == .null {
      report(entry.key, "null has no meaning here; leave the key out for the default")
    }
  }

  /// Null where the file says null, the default where it says nothing.
  func nullableInt(_ key: String, default fallback: Int?, in range: ClosedRange<Int>) -> Int? {
    guard let raw = value(key) else { return fallback }
    return raw == .null ? nil : int(key, in: range)
  }

  /// An integer, or height and width.
  func sampleSize(largest: Int) -> SampleSize? {
    let side = 1...largest
    switch value("sample_size") {
    case nil, .null: return nil
    case .list(let items):
      guard items.count == 2 else {
        report("sample_size", "expected an integer or a list of height and width, found a list of \(items.count)")
        return nil
      }
      let sides = ints("sample_size", in: side)
      return sides.count == 2 ? SampleSize(height: sides[0], width: sides[1]) : nil
    case .bool, .integer, .number, .string, .map:
      let both = int("sample_size", in: side)
      return SampleSize(height: both, width: both)
    }
  }

  /// Block types, with the prefix `UNetRes` that files of the first diffusers versions carry.
  func blocks<Block: RawRepresentable & CaseIterable>(_ key: String, default fallback: [Block]) -> [Block]
  where Block.RawValue == String {
    let legal = Block.allCases.map(\.rawValue)
    return strings(key, default: fallback.map(\.rawValue)).enumerated().map { position, text in
      let name = text.hasPrefix("UNetRes") ? String(text.dropFirst(7)) : text
      if let block = Block(rawValue: name) { return block }
      var problem = "expected one of \(legal.joined(separator: ", ")), found \"\(printable(text, limit: 60))\""
      if let near = nearest(name, in: legal) { problem += " (did you mean \"\(near)\"?)" }
      report("\(key)[\(position)]", problem)
      return Block.allCases.first!
    }
  }

  /// Names of activations as diffusers reads them: any case, and "swish" for SiLU. Null is the default, too.
  func activation(_ key: String, default fallback: Activation) -> Activation {
    guard let raw = value(key), raw != .null else { return fallback }
    let legal = Activation.allCases.map(\.rawValue) + ["swish"]
    if case .string(let text) = raw {
      let name = text.lowercased()
      if let found = Activation(rawValue: name == "swish" ? "silu" : name) { return found }
    }
    report(key, "expected one of \(legal.joined(separator: ", ")), found \(raw.shown)")
    return fallback
  }

  /// Reports lists that have not one entry for each level. - Parameter counts: by key, the levels' own first.
  func checkLevels(_ counts: [(key: String, count: Int)], most: Int) {
    for (key, count) in counts where isSound(key) && !(1...most).contains(count) {
      report(key, "expected 1 to \(most) levels, found \(count)")
    }
    for (key, count) in counts.dropFirst() where count != counts[0].count && isSound(key, counts[0].key) {
      report(key, "expected \(counts[0].count) levels as in \(counts[0].key), found \(count)")
    }
  }

  /// Reports levels whose channels do not divide into the normalisations' groups.
  func checkGroups(_ groups: Int, of blockOutChannels: [Int]) {
    guard isSound("norm_num_groups", "block_out_channels") else { return }
    for (level, channels) in blockOutChannels.enumerated() where channels % groups != 0 {
      report("norm_num_groups", "\(groups) groups do not divide block_out_channels[\(level)] = \(channels)")
    }
  }
}
