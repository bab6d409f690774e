import Tensors

/// Adds up the statistics of a run's parts. Sums are exact integers, so the result has the bits that one pass over all
/// images would have given, whatever the parts and their order.
package struct StatisticsMerger {
  private var total: FeatureAccumulator?
  private var shards: [(name: String, images: ImageIndexSet)] = []

  package init() {}

  /// Adds one part. - Parameter name: how messages call it.
  /// - Throws: `EvaluationError` when extractors or dimensions differ, or images are in an earlier part, which is named.
  package mutating func add(_ shard: FeatureAccumulator, name: String) throws(EvaluationError) {
    try total?.requireSameFeatures(as: shard)
    let overlaps = shards.compactMap { earlier -> ShardOverlap? in
      let common = earlier.images.intersection(shard.images)
      return common.isEmpty ? nil : ShardOverlap(first: earlier.name, second: name, images: common.ranges)
    }
    if !overlaps.isEmpty { throw .shardsOverlap(overlaps) }
    if total == nil { total = shard } else { try total?.merge(shard) }
    shards.append((name, shard.images))
  }

  /// The sums of all parts.
  /// - Parameters:
  ///   - expected: the indices that must be there, and no others; nil: all from 0 to the largest one present.
  ///   - allowsGaps: whether indices may be missing.
  /// - Precondition: at least one part was added.
  /// - Throws: `EvaluationError.imagesMissing`, `.imagesUnexpected`.
  package func merged(expecting expected: ClosedRange<Int>?, allowsGaps: Bool) throws(EvaluationError)
    -> FeatureAccumulator
  {
    guard let total else { preconditionFailure("nothing was added") }
    if let expected {
      let unexpected = total.images.outside(expected)
      if !unexpected.isEmpty { throw .imagesUnexpected(unexpected, expected: expected) }
    }
    let missing = total.images.missing(from: expected)
    if !allowsGaps && !missing.isEmpty { throw .imagesMissing(missing) }
    return total
  }
}

extension ImageIndexSet {
  /// Indices of `expected` that the set lacks, as inclusive ranges; without it, `gaps`.
  package func missing(from expected: ClosedRange<Int>?) -> [ClosedRange<Int>] {
    guard let expected else { return gaps }
    var (out, next) = ([ClosedRange<Int>](), expected.lowerBound)
    for range in ranges where range.upperBound >= next && range.lowerBound <= expected.upperBound {
      if range.lowerBound > next { out.append(next...range.lowerBound - 1) }
      next = range.upperBound + 1
    }
    if next <= expected.upperBound { out.append(next...expected.upperBound) }
    return out
  }

  /// Indices of the set that lie before or behind `expected`, as inclusive ranges.
  package func outside(_ expected: ClosedRange<Int>) -> [ClosedRange<Int>] { expected.outside(ranges) }
}

extension ClosedRange<Int> {
  /// The parts of ascending `ranges` that lie before or behind this one.
  package func outside(_ ranges: [ClosedRange<Int>]) -> [ClosedRange<Int>] {
    ranges.flatMap { range in
      var out: [ClosedRange<Int>] = []
      if range.lowerBound < lowerBound {
        out.append(range.lowerBound...Swift.min(range.upperBound, lowerBound - 1))
      }
      if range.upperBound > upperBound {
        out.append(Swift.max(range.lowerBound, upperBound + 1)...range.upperBound)
      }
      return out
    }
  }
}
