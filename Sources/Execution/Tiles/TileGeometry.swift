/// How a side of an image is cut into tiles that overlap, and how their results are blended.
package struct TileGeometry: Sendable, Hashable {
  /// Positions of a tile.
  package let size: Int
  /// Positions that neighbouring tiles share, at the least.
  package let overlap: Int

  /// - Precondition: 0 <= overlap < size.
  package init(size: Int, overlap: Int) {
    precondition(overlap >= 0 && overlap < size, "tiles of \(size) that overlap by \(overlap)")
    self.size = size
    self.overlap = overlap
  }

  /// Where tiles begin along a side of `length` positions: every `size - overlap` positions, the last one at the end. A side
  /// that is no longer than a tile is one tile of its own length.
  package func starts(along length: Int) -> [Int] {
    guard length > size else { return [0] }
    let regular = Array(stride(from: 0, to: length - size, by: size - overlap))
    return regular + [length - size]
  }

  /// For each tile, the weight of each of its positions: rising and falling evenly over the overlap, and normalised so that the
  /// weights of all tiles at one place add up to 1. Where only one tile is, its weight is 1 exactly.
  /// - Parameters:
  ///   - length: of the side, in the tiles' positions.
  ///   - scale: results per position.
  package func weights(along length: Int, scale: Int) -> [[Float]] {
    let starts = starts(along: length)
    let extent = min(size, length) * scale
    func ramp(_ position: Int) -> Double {
      overlap == 0 ? 1 : min(1, (Double(position) + 0.5) / Double(overlap * scale))
    }
    let raw = starts.indices.map { tile in
      (0..<extent).map { position in
        (tile == 0 ? 1 : ramp(position)) * (tile == starts.count - 1 ? 1 : ramp(extent - 1 - position))
      }
    }
    var sums = [Double](repeating: 0, count: length * scale)
    for (tile, start) in starts.enumerated() {
      for position in 0..<extent { sums[start * scale + position] += raw[tile][position] }
    }
    return starts.enumerated().map { tile, start in
      raw[tile].enumerated().map { Float($0.element / sums[start * scale + $0.offset]) }
    }
  }
}
