import Execution
import Testing

/// How convolutions are divided among workers.
@Suite struct WorkGridTests {
  @Test(arguments: [1, 2, 3, 5, 8, 16, 64], [(1, 1), (1, 8), (32, 8), (8, 4), (7, 3), (64, 1), (5, 40)])
  func piecesCoverEverythingOnce(workers: Int, size: (rows: Int, blocks: Int)) {
    let grid = WorkGrid(rows: size.rows, blocks: size.blocks, workers: workers)
    #expect((1...workers).contains(grid.pieces))
    var seen = [Int](repeating: 0, count: size.rows * size.blocks)
    var largest = 0
    for index in 0..<grid.pieces {
      let piece = grid.piece(index)
      largest = max(largest, piece.rows.count * piece.blocks.count)
      for row in piece.rows { for block in piece.blocks { seen[row * size.blocks + block] += 1 } }
    }
    #expect(seen.allSatisfy { $0 == 1 })
    // No other grid of at most as many pieces has a smaller largest one.
    for rowRanges in 1...size.rows {
      for blockRanges in 1...size.blocks where rowRanges * blockRanges <= workers {
        let other = ((size.rows + rowRanges - 1) / rowRanges) * ((size.blocks + blockRanges - 1) / blockRanges)
        #expect(largest <= other)
      }
    }
  }

  @Test func manyWorkersShareASmallMap() {
    let grid = WorkGrid(rows: 32, blocks: 8, workers: 64)
    #expect(grid.pieces == 64 && grid.blockRanges == 8)
    #expect((0..<64).allSatisfy { grid.piece($0).rows.count == 4 && grid.piece($0).blocks.count == 1 })
  }

  /// Blocks first: each worker then reads weights of its own.
  @Test func twoWorkersTakeHalfOfTheBlocksEach() {
    let grid = WorkGrid(rows: 32, blocks: 8, workers: 2)
    #expect(grid.rowRanges == 1 && grid.blockRanges == 2)
    #expect(WorkGrid(rows: 32, blocks: 1, workers: 2).rowRanges == 2)
  }
}
