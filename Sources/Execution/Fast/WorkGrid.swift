/// How a convolution is cut for several workers: into ranges of output rows times ranges of blocks of output channels.
///
/// Of all cuts into at most one piece a worker it is the one whose largest piece is smallest; among equals the one with most
/// ranges of blocks, because pieces of the same blocks read the same weights.
package struct WorkGrid: Equatable {
  package let rows: Int
  package let blocks: Int
  package let rowRanges: Int
  package let blockRanges: Int

  package init(rows: Int, blocks: Int, workers: Int) {
    self.rows = rows
    self.blocks = blocks
    var best = (rowRanges: 1, blockRanges: 1, largest: rows * blocks)
    for blockRanges in stride(from: 1, through: min(blocks, workers), by: 1) {
      let rowRanges = max(min(rows, workers / blockRanges), 1)
      let largest = Self.ceiling(rows, rowRanges) * Self.ceiling(blocks, blockRanges)
      if largest <= best.largest { best = (rowRanges, blockRanges, largest) }
    }
    (rowRanges, blockRanges) = (best.rowRanges, best.blockRanges)
  }

  private static func ceiling(_ count: Int, _ ranges: Int) -> Int { (count + ranges - 1) / ranges }

  package var pieces: Int { rowRanges * blockRanges }

  package func piece(_ index: Int) -> (rows: Range<Int>, blocks: Range<Int>) {
    let (row, block) = (index / blockRanges, index % blockRanges)
    return (
      (rows * row / rowRanges)..<(rows * (row + 1) / rowRanges),
      (blocks * block / blockRanges)..<(blocks * (block + 1) / blockRanges)
    )
  }
}
