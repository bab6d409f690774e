import Formats
import Tensors
import Testing

/// Grids for people: small images enlarged without blur, with names beside and above.
@Suite struct GridTests {
  /// A grey image of one level.
  private func image(_ level: UInt8, side: Int, channels: Int = 1) -> PixelImage {
    PixelImage(
      height: side, width: side, channels: channels, pixels: [UInt8](repeating: level, count: side * side * channels))
  }

  @Test func pixelsAreRepeated() {
    var layout = GridLayout(ImageShape(channels: 1, height: 1, width: 2), rows: 1, columns: 1)
    layout.enlargement = 2
    layout.padding = 0
    let grid = ImageGrid.compose([PixelImage(height: 1, width: 2, channels: 1, pixels: [3, 7])], layout)
    #expect(grid.pixels == [3, 3, 7, 7, 3, 3, 7, 7])
  }

  @Test(
    "small images are enlarged to some 96 pixels, large grids and images less",
    arguments: [
      (28, 8, 3), (32, 10, 3), (8, 4, 12), (64, 8, 1), (256, 2, 1), (28, 60, 1),
    ]) func smallImagesAreEnlarged(_ side: Int, _ columns: Int, _ factor: Int)
  {
    let shape = ImageShape(channels: 3, height: side, width: side)
    let layout = GridLayout.counted(shape, rows: 1, columns: columns, from: 0, count: columns)
    #expect(layout.enlargement == factor)
    #expect(layout.byteCount == layout.height * layout.width * 3)
  }

  @Test func namesStandBesideRowsAndAboveColumns() {
    let shape = ImageShape(channels: 3, height: 16, width: 16)
    var layout = GridLayout(shape, rows: 2, columns: 2)
    layout.rowNames = ["1", "22"]
    layout.columnNames = ["7"]
    // Two letters of six pixels and a gap to the left, eight pixels and a gap above.
    #expect((layout.width, layout.height) == (2 + 12 + 2 + 2 * 18, 2 + 8 + 2 + 2 * 18))
    let grid = ImageGrid.compose([9, 9, 9, 9].map { image($0, side: 16, channels: 3) }, layout)
    func ink(rows: Range<Int>, columns: Range<Int>) -> Int {
      rows.reduce(0) { sum, y in sum + columns.count { x in grid.pixels[(y * grid.width + x) * 3] == 0 } }
    }
    // A 1 has ten pixels, a 2 fourteen, a 7 eleven.
    #expect(ink(rows: 12..<28, columns: 0..<16) == 10)
    #expect(ink(rows: 30..<46, columns: 0..<16) == 28)
    #expect(ink(rows: 0..<12, columns: 16..<34) == 11)
    #expect(ink(rows: 0..<grid.height, columns: 0..<grid.width) == 10 + 28 + 11)
  }

  @Test func namesOfColumnsAreCutToTheColumn() {
    let shape = ImageShape(channels: 1, height: 8, width: 8)
    var layout = GridLayout(shape, rows: 1, columns: 2)
    layout.columnNames = ["1111", "1"]
    let grid = ImageGrid.compose([image(9, side: 8), image(9, side: 8)], layout)
    // One letter fits into ten pixels.
    #expect(grid.pixels.count { $0 == 0 } == 20)
    // A name may stand above the columns behind it that have none.
    layout.columnNames = ["1111", ""]
    #expect(ImageGrid.compose([image(9, side: 8), image(9, side: 8)], layout).pixels.count { $0 == 0 } == 30)
  }

  @Test("every printable letter has a picture of its own") func lettersDiffer() {
    let shape = ImageShape(channels: 1, height: 1, width: 1)
    let pictures = (33..<127).map { code -> [UInt8] in
      var layout = GridLayout(shape, rows: 1, columns: 1)
      layout.rowNames = [String(UnicodeScalar(UInt8(code)))]
      // Names are centred on a row that is lower than they are: the row is made as high.
      layout.enlargement = 8
      return ImageGrid.compose([image(255, side: 1)], layout).pixels
    }
    #expect(Set(pictures).count == pictures.count)
    #expect(pictures.allSatisfy { $0.contains(0) })
  }
}
