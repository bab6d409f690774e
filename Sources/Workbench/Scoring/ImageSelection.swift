import Formats
import Tensors

/// The images of a source that are to be scored, each with its global index.
package struct ImageSelection: Sendable {
  package let source: any ImageSource
  package let positions: Range<Int>
  /// Added to positions, where names do not say indices.
  private let offset: Int

  package var count: Int { positions.count }

  package func index(at position: Int) -> Int { source.imageIndex(at: position) + offset }

  /// - Parameters:
  ///   - indices: only these images; nil: all.
  ///   - firstIndex: the first image's index, where the names do not say it.
  /// - Throws: `SelectionError` when nothing is selected, or `firstIndex` contradicts the names.
  package init(
    _ source: any ImageSource, indices: ClosedRange<Int>? = nil, firstIndex: Int? = nil
  ) throws(SelectionError) {
    if firstIndex != nil && source.namesIndices { throw .namesSay(path: source.path, first: source.imageIndex(at: 0)) }
    self.source = source
    offset = firstIndex ?? 0
    if let indices {
      positions =
        indices.upperBound < offset
        ? 0..<0 : source.positions(of: max(indices.lowerBound - offset, 0)...indices.upperBound - offset)
      if positions.isEmpty {
        throw .nothing(
          path: source.path, wanted: indices,
          found: source.imageIndex(at: 0) + offset...source.imageIndex(at: source.count - 1) + offset)
      }
    } else {
      positions = 0..<source.count
    }
  }
}

extension ImageSelection {
  private init(_ other: ImageSelection, positions: Range<Int>) {
    (source, offset, self.positions) = (other.source, other.offset, positions)
  }

  /// The part of a shard: the units of work that fall to it. - Parameter indices: of the whole set; nil: from its first image to its
  /// last.
  func part(_ shard: Shard, of indices: ClosedRange<Int>?) -> ImageSelection {
    let all = indices ?? index(at: positions.lowerBound)...index(at: positions.upperBound - 1)
    guard let part = WorkUnits(of: all, for: shard).images else { return ImageSelection(self, positions: 0..<0) }
    let (low, high) = (part.lowerBound - offset, part.upperBound - offset)
    let found = high < 0 ? 0..<0 : source.positions(of: max(low, 0)...high).clamped(to: positions)
    return ImageSelection(self, positions: found)
  }

  /// Hands over the images in order, at most `size` at a time and never those of two units at once, so that batches hold the same
  /// images whatever part of a set they are read from. - Precondition: `size` divides a unit.
  func forEachBatch(of size: Int, _ body: (ImageBatch) throws -> Void) throws {
    for run in runs { try source.forEachBatch(of: size, in: run, body) }
  }

  /// Positions cut so that batches counted from each beginning end at the borders of units: at every border where images may be
  /// missing or differ in size, else behind the first, because what is read from the front is read once.
  private var runs: [Range<Int>] {
    var runs: [Range<Int>] = []
    var start = positions.lowerBound
    for position in positions.dropFirst() {
      let isBorder = index(at: position) / WorkUnit.size != index(at: position - 1) / WorkUnit.size
      if isBorder, source.isFiles || runs.isEmpty {
        runs.append(start..<position)
        start = position
      }
    }
    if start < positions.upperBound { runs.append(start..<positions.upperBound) }
    return runs
  }
}

/// A selection of images that cannot be made.
package enum SelectionError: HalftoneError, Equatable {
  case nothing(path: String, wanted: ClosedRange<Int>, found: ClosedRange<Int>)
  case namesSay(path: String, first: Int)

  package var id: String {
    switch self {
    case .nothing: "E-INDICES-EMPTY"
    case .namesSay: "E-INDICES-NAMED"
    }
  }

  package var exit: ExitStatus { .usage }

  package var message: String {
    switch self {
    case .nothing(let path, let wanted, let found):
      "\(printable(path)): no image has an index in \(IndexRange(wanted)); there are \(IndexRange(found))"
    case .namesSay(let path, let first):
      "\(printable(path)): --first-index contradicts the names of the files, which begin with image \(first)"
    }
  }

  package var hint: String? {
    switch self {
    case .nothing: nil
    case .namesSay: "leave --first-index away: images of a run folder have the indices in their names"
    }
  }
}
