/// What one process does at a time of work that several share: 64 images with consecutive global indices, 64 u to 64 u + 63 in unit
/// u. The borders depend on nothing else, so neither the number of shards nor the range of images moves them.
package struct WorkUnit: Sendable, Equatable {
  /// As many as the leaves that features are kept in: half a minute to an hour of sampling, a few seconds of scoring.
  package static let size = 64

  package let number: Int
  /// Those of the unit's images that are asked for.
  package let images: ClosedRange<Int>

  /// The units of a range of images, in order, of which the first and the last may be cut.
  package static func units(of images: ClosedRange<Int>) -> [WorkUnit] {
    let numbers = (images.lowerBound / size)...(images.upperBound / size)
    return numbers.map { WorkUnit(number: $0, images: ($0 * size...($0 * size + size - 1)).clamped(to: images)) }
  }

  /// Those of a shard, made without listing the others'.
  package static func units(of images: ClosedRange<Int>, for shard: Shard) -> [WorkUnit] {
    let first = images.lowerBound / size
    let share = shard.share(of: images.upperBound / size - first + 1)
    if share.isEmpty { return [] }
    let (low, high) = ((first + share.lowerBound) * size, (first + share.upperBound) * size - 1)
    return units(of: (low...high).clamped(to: images))
  }
}
