import Evaluation

/// Image indices that come in ascending order, as ranges: they may lie anywhere, and take memory only where gaps are.
struct ImageRuns: Sendable, Equatable {
  private(set) var ranges: [ClosedRange<Int>] = []
  private(set) var count = 0

  init() {}

  /// - Precondition: ascending; what stands there twice counts once.
  init(_ ascending: [Int]) { for index in ascending where ranges.last?.upperBound != index { append(index) } }

  var isEmpty: Bool { ranges.isEmpty }

  /// - Precondition: larger than every index before.
  mutating func append(_ index: Int) {
    precondition(ranges.last.map { $0.upperBound < index } ?? true, "images are gathered in order")
    count += 1
    if let last = ranges.last, last.upperBound + 1 == index {
      ranges[ranges.count - 1] = last.lowerBound...index
    } else {
      ranges.append(index...index)
    }
  }

  func contains(_ index: Int) -> Bool {
    let position = ranges.partitionPoint { $0.upperBound >= index }
    return position < ranges.count && ranges[position].lowerBound <= index
  }

  /// Those before or behind `expected`, as inclusive ranges.
  func outside(_ expected: ClosedRange<Int>) -> [ClosedRange<Int>] { expected.outside(ranges) }
}
