/// What one process does at a time of work that several share: 64 images with consecutive global indices, 64 u to 64 u + 63 in unit
/// u. The borders depend on nothing else, so neither the number of shards nor the range of images moves them.
package struct WorkUnit: Sendable, Equatable {
  /// As many as the leaves that features are kept in: half a minute to an hour of sampling, a few seconds of scoring.
  package static let size = 64

  package let number: Int
  /// Those of the unit's images that are asked for.
  package let images: ClosedRange<Int>
}

/// Consecutive units of a range of images, in order, of which the first and the last of the range may be cut. None is made before it is
/// looked at, so there may be any number.
package struct WorkUnits: RandomAccessCollection, Sendable, Equatable {
  /// The whole range.
  private let all: ClosedRange<Int>
  package let numbers: Range<Int>

  /// All units of a range.
  package init(of images: ClosedRange<Int>) {
    all = images
    numbers = (images.lowerBound / WorkUnit.size)..<(images.upperBound / WorkUnit.size + 1)
  }

  /// Those that fall to a shard.
  package init(of images: ClosedRange<Int>, for shard: Shard) {
    let whole = WorkUnits(of: images)
    self = whole.part(shard.share(of: whole.count))
  }

  private init(all: ClosedRange<Int>, numbers: Range<Int>) {
    self.all = all
    self.numbers = numbers
  }

  /// - Precondition: positions of the collection.
  func part(_ positions: Range<Int>) -> WorkUnits {
    WorkUnits(all: all, numbers: numbers.lowerBound + positions.lowerBound..<numbers.lowerBound + positions.upperBound)
  }

  package var startIndex: Int { 0 }
  package var endIndex: Int { numbers.count }

  package subscript(position: Int) -> WorkUnit {
    let number = numbers.lowerBound + position
    let images = (number * WorkUnit.size)...(number * WorkUnit.size + WorkUnit.size - 1)
    return WorkUnit(number: number, images: images.clamped(to: all))
  }

  /// From the first unit's first image to the last one's last; nil where there is no unit.
  package var images: ClosedRange<Int>? {
    isEmpty ? nil : self[0].images.lowerBound...self[count - 1].images.upperBound
  }
}
