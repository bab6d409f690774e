/// One of N parts of a piece of work that several processes share, as `--shard 3/16` names it. Parts are counted from 0.
///
/// Work is cut into units whose borders do not depend on N (`WorkUnit`), and a shard is the consecutive run of units that
/// falls to it. So another N gives the same units to other shards: what was finished before is found, and nothing is lost.
package struct Shard: Sendable, Equatable, CustomStringConvertible {
  package let index: Int
  package let count: Int

  /// More shards than any scheduler runs, and few enough that no arithmetic on units overflows.
  package static let largestCount = 1_000_000

  /// - Throws: `E-SHARD-RANGE` for a part that there is not.
  package init(_ index: Int, of count: Int) throws(ShardError) {
    guard (1...Self.largestCount).contains(count), (0..<count).contains(index) else {
      throw .range(index: index, count: count)
    }
    self.index = index
    self.count = count
  }

  /// - Parameters:
  ///   - text: `3/16`; `auto/16`, whose index a scheduler says; or `auto`, whose number of shards it says too.
  ///   - environment: the variables of this process.
  /// - Throws: `ShardError` with what was expected and found.
  package init(_ text: String, environment: [String: String]) throws(ShardError) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    switch (parts.first, parts.count) {
    case ("auto", 1):
      self = try SchedulerVariables(environment).shard(of: nil)
    case ("auto", 2):
      guard let count = Self.number(parts[1]) else { throw .malformed(text) }
      self = try SchedulerVariables(environment).shard(of: count)
    case (_, 2):
      guard let index = Self.number(parts[0]), let count = Self.number(parts[1]) else { throw .malformed(text) }
      try self.init(index, of: count)
    default: throw .malformed(text)
    }
  }

  /// A whole number in ASCII digits; nil for anything else.
  static func number(_ text: String) -> Int? {
    text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int(text) : nil
  }

  /// The positions among `total` units that are this shard's: consecutive, and no two shards' numbers of units differ by more than one.
  package func share(of total: Int) -> Range<Int> {
    func border(_ shard: Int) -> Int { total / count * shard + min(shard, total % count) }
    return border(index)..<border(index + 1)
  }

  package var description: String { "\(index)/\(count)" }

  /// The shard in the name of a file: `3-of-16`.
  var fileName: String { "\(index)-of-\(count)" }
}
