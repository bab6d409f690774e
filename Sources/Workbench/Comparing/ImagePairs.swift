import Evaluation
import Formats
import Tensors

extension ImageStore {
  /// How close `other`'s images are to these, image by image, on 8-bit samples.
  package func comparison(with other: ImageStore, _ images: ClosedRange<Int>) throws -> PairedComparison {
    var comparison = PairedComparison(shape: shape)
    try compare(with: other, images, into: &comparison)
    return comparison
  }

  /// The same, added to pairs that were compared before.
  package func compare(
    with other: ImageStore, _ images: ClosedRange<Int>, into comparison: inout PairedComparison
  ) throws {
    for index in images {
      try comparison.add(reference: try read(index).pixels, other: try other.read(index).pixels)
    }
  }

  /// Pairs per row of the grid, and how many are shown.
  private static let pairsPerRow = 8
  private static let mostPairs = 32

  /// A grid of the first images that it has room for, with their numbers.
  @discardableResult package func writeGrid(
    of images: ClosedRange<Int>, shape: GridShape, to path: String
  ) throws -> PixelImage {
    let shown = try images.prefix(shape.rows * shape.columns).map(readShown)
    let layout = GridLayout.counted(
      shown[0].shape, rows: shape.rows, columns: shape.columns, from: images.lowerBound, count: shown.count)
    let grid = ImageGrid.compose(shown, layout)
    try PNG.write(grid, to: path)
    return grid
  }

  /// A grid whose odd rows are these images and whose even rows are `other`'s, named and numbered.
  package func writePairs(
    with other: ImageStore, _ images: ClosedRange<Int>, names: [String], to path: String
  ) throws -> PixelImage {
    let shown = Array(images.prefix(Self.mostPairs))
    var rows: [PixelImage] = []
    var rowNames: [String] = []
    for start in stride(from: 0, to: shown.count, by: Self.pairsPerRow) {
      let row = shown[start..<min(start + Self.pairsPerRow, shown.count)]
      for (store, name) in zip([self, other], names) {
        rowNames.append(shown.count > Self.pairsPerRow ? "\(name) \(row[start])+" : name)
        let images = try row.map(store.readShown)
        rows += images
        if shown.count > Self.pairsPerRow {
          let shape = images[0].shape
          let blank = PixelImage(
            height: shape.height, width: shape.width, channels: shape.channels,
            pixels: [UInt8](repeating: 255, count: shape.count))
          rows += [PixelImage](repeating: blank, count: Self.pairsPerRow - row.count)
        }
      }
    }
    let columns = min(shown.count, Self.pairsPerRow)
    let first = shown.count > Self.pairsPerRow ? nil : images.lowerBound
    let layout = GridLayout.shown(
      rows[0].shape, rows: rows.count / columns, columns: columns, rowNames: rowNames,
      columnNames: (0..<columns).map { column in first.map { "\($0 + column)" } ?? "+\(column)" })
    let grid = ImageGrid.compose(rows, layout)
    try PNG.write(grid, to: path)
    return grid
  }
}
