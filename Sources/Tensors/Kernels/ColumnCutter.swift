/// What was cut off columns: for each half of a column, an entry for each group of four inputs that lost something.
struct ColumnCut {
  /// Bytes of a group of four inputs, 16 output channels each.
  static let groupSize = 4 * GatheredColumns.width
  /// Bytes of an entry: half as many channels.
  static let entrySize = groupSize / 2

  /// Of each entry: tap, first of its four inputs.
  fileprivate(set) var places: [Int32] = []
  /// Of each entry: what its group lost, [8][4].
  fileprivate(set) var weights: [Int8] = []
  var entries: Int { places.count / 2 }

  fileprivate mutating func append(tap: Int, group: Int) {
    places += [Int32(tap), Int32(4 * group)]
    weights += [Int8](repeating: 0, count: Self.entrySize)
  }
}

/// Decides how one column is cut, and cuts it.
struct ColumnCutter {
  /// [tap][group][16][4].
  let weights: UnsafeMutablePointer<Int8>
  let groups: Int
  let taps: Int

  /// Weights of one sign that are added in 16 bits: 255 * 128 = 32,640 fits.
  private static let reach = 128
  private static let gathers = [1, 2, 3, 4, 6, 8, 12, 16]

  // Time that a group of four inputs takes in the tile, measured on Zen 3; 1 is that of a group that is widened by itself.

  private static func cost(gather: Int) -> Double { 0.65 + 0.35 / Double(gather) }
  private static let entryCost = 0.6
  /// Where all bytes are widened to 16 bits before they are multiplied.
  private static let wideCost = 1.5

  /// The number of groups to gather that takes the least time; 0 where the weights had better stay whole.
  func bestGather() -> Int {
    let all = Double(groups * taps)
    var best = (gather: 0, cost: Self.wideCost * all)
    for gather in Self.gathers {
      guard let entries = entries(gather: gather) else { break }
      let cost = Self.cost(gather: gather) * all + Self.entryCost * Double(entries)
      if cost >= best.cost { break }
      best = (gather, cost)
    }
    return best.gather
  }

  /// Groups that would lose something; nil where a group would lose more than an entry holds.
  private func entries(gather: Int) -> Int? {
    var count = 0
    for tap in 0..<taps {
      for begin in stride(from: 0, to: groups, by: gather) {
        let run = GroupRun(weights: groupPointer(tap, begin), count: min(gather, groups - begin))
        for half in 0..<2 {
          guard let losing = run.losing(half: half, reach: Self.reach, take: { _, _, _, _ in }) else { return nil }
          count += losing.nonzeroBitCount
        }
      }
    }
    return count
  }

  /// Cuts one half's weights for a number of groups that `bestGather` gave.
  func cut(half: Int, gather: Int, into cut: inout ColumnCut) {
    for tap in 0..<taps {
      for begin in stride(from: 0, to: groups, by: gather) {
        var places = [Int](repeating: -1, count: gather)
        let run = GroupRun(weights: groupPointer(tap, begin), count: min(gather, groups - begin))
        _ = run.losing(half: half, reach: Self.reach) { group, position, sign, amount in
          if places[group] < 0 {
            places[group] = cut.entries
            cut.append(tap: tap, group: begin + group)
          }
          run.weights[group * ColumnCut.groupSize + position] -= Int8(sign * amount)
          cut.weights[places[group] * ColumnCut.entrySize + position % ColumnCut.entrySize] += Int8(sign * amount)
        }
      }
    }
  }

  private func groupPointer(_ tap: Int, _ group: Int) -> UnsafeMutablePointer<Int8> {
    weights + (tap * groups + group) * ColumnCut.groupSize
  }
}

/// Groups whose pair sums are added in 16 bits.
private struct GroupRun {
  /// [group][16][4].
  let weights: UnsafeMutablePointer<Int8>
  let count: Int

  /// Finds what must be taken from the weights so that those of one sign come to at most `reach` in every 16-bit sum.
  ///
  /// - Parameter half: the first or the last 8 channels.
  /// - Parameter take: told a group, a position in it, a sign and the amount by which the weight's magnitude shrinks.
  /// - Returns: one bit for each group that loses something; nil where an entry would not keep within the reach itself.
  func losing(
    half: Int, reach: Int, take: (_ group: Int, _ position: Int, _ sign: Int, _ amount: Int) -> Void
  ) -> UInt? {
    var losing: UInt = 0
    let pairs = ColumnCut.entrySize / 2
    for pair in (half * pairs)..<((half + 1) * pairs) {
      var (positive, negative) = (0, 0)
      for group in 0..<count {
        let at = weights + group * ColumnCut.groupSize + 2 * pair
        let (a, b) = (Int(at[0]), Int(at[1]))
        positive &+= max(a, 0) &+ max(b, 0)
        negative &-= min(a, 0) &+ min(b, 0)
      }
      if positive > reach, !reduce(pair, sign: 1, by: positive - reach, reach, &losing, take) { return nil }
      if negative > reach, !reduce(pair, sign: -1, by: negative - reach, reach, &losing, take) { return nil }
    }
    return losing
  }

  /// Takes `excess` from one pair's weights of one sign: first from groups that lose something anyway, the largest first.
  private func reduce(
    _ pair: Int, sign: Int, by excess: Int, _ reach: Int, _ losing: inout UInt,
    _ take: (_ group: Int, _ position: Int, _ sign: Int, _ amount: Int) -> Void
  ) -> Bool {
    var (left, used) = (excess, UInt(0))
    while left > 0 {
      var best = (group: -1, isLosing: false, available: 0)
      for group in 0..<count where used >> UInt(group) & 1 == 0 {
        let isLosing = losing >> UInt(group) & 1 == 1
        let available = magnitudes(group, pair, sign).reduce(0, +)
        if available > 0, (isLosing ? 1 : 0, available) > (best.isLosing ? 1 : 0, best.available) {
          best = (group, isLosing, available)
        }
      }
      guard best.group >= 0 else { return false }
      var amount = min(left, best.available, reach)
      left -= amount
      used |= 1 << UInt(best.group)
      losing |= 1 << UInt(best.group)
      for (half, magnitude) in magnitudes(best.group, pair, sign).enumerated() where amount > 0 {
        let part = min(amount, magnitude)
        if part > 0 { take(best.group, 2 * pair + half, sign, part) }
        amount -= part
      }
    }
    return true
  }

  /// Of a pair's two weights, where they have the sign; else 0.
  private func magnitudes(_ group: Int, _ pair: Int, _ sign: Int) -> [Int] {
    let at = weights + group * ColumnCut.groupSize + 2 * pair
    return [max(sign * Int(at[0]), 0), max(sign * Int(at[1]), 0)]
  }
}
