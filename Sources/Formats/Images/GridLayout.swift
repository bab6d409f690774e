import Tensors

/// Where the images of a grid stand: how many there are in a row, how much they are enlarged, and what stands beside rows and above columns.
package struct GridLayout: Sendable, Equatable {
  /// Of each image.
  package let shape: ImageShape
  package let rows: Int
  package let columns: Int
  /// Pixels of the grid between images and around them.
  package var padding = 2
  /// Pixels of the grid along each side of a pixel of an image, so that small images are seen without blur.
  package var enlargement = 1
  /// Beside the rows from the first on; empty for none.
  package var rowNames: [String] = []
  /// Above the columns from the first on; empty for none.
  package var columnNames: [String] = []

  package init(_ shape: ImageShape, rows: Int, columns: Int) {
    self.shape = shape
    self.rows = rows
    self.columns = columns
  }

  /// Sides that images are enlarged to, and the width that a grid then has at most.
  private static let visibleSide = 96
  private static let widest = 2400

  /// For people: small images enlarged, with names.
  package static func shown(
    _ shape: ImageShape, rows: Int, columns: Int, rowNames: [String], columnNames: [String]
  ) -> GridLayout {
    var layout = GridLayout(shape, rows: rows, columns: columns)
    let side = max(shape.height, shape.width)
    layout.enlargement = max(1, min(visibleSide / side, widest / (columns * side)))
    layout.rowNames = rowNames
    layout.columnNames = columnNames
    return layout
  }

  /// The same for images counted row by row from `first` on: rows are named by their first image, columns by what is added to it.
  package static func counted(_ shape: ImageShape, rows: Int, columns: Int, from first: Int, count: Int) -> GridLayout {
    let filled = min((count + columns - 1) / columns, rows)
    return shown(
      shape, rows: rows, columns: columns, rowNames: (0..<filled).map { "\(first + $0 * columns)" },
      columnNames: columns > 1 ? (0..<min(columns, count)).map { "+\($0)" } : [])
  }

  // MARK: Places

  var cellHeight: Int { shape.height * enlargement }
  var cellWidth: Int { shape.width * enlargement }
  /// Of a letter's pixel.
  var letterScale: Int { min(cellHeight, cellWidth) >= 64 ? 2 : 1 }
  private var letterHeight: Int { PixelFont.height * letterScale }

  /// Pixels left of the first column of images.
  var left: Int {
    let longest = rowNames.map { $0.unicodeScalars.count }.max() ?? 0
    return padding + (longest == 0 ? 0 : longest * PixelFont.advance * letterScale + padding)
  }

  /// Pixels above the first row of images.
  var top: Int { padding + (columnNames.isEmpty ? 0 : letterHeight + padding) }

  package var height: Int { top + rows * (cellHeight + padding) }
  package var width: Int { left + columns * (cellWidth + padding) }

  /// Of the finished grid.
  package var byteCount: Int {
    MemoryBudget.product(
      MemoryBudget.product(rows, cellHeight + padding) + top, MemoryBudget.product(columns, cellWidth + padding) + left,
      shape.channels)
  }

  func place(of cell: Int) -> (top: Int, left: Int) {
    (top + cell / columns * (cellHeight + padding), left + cell % columns * (cellWidth + padding))
  }

  /// The names as they are drawn, each with the place of its upper left corner. Names of columns are cut where the next one begins.
  var labels: [(text: String, top: Int, left: Int)] {
    let besides = rowNames.prefix(rows).enumerated().map { row, name in
      (name, place(of: row * columns).top + max(cellHeight - letterHeight, 0) / 2, padding)
    }
    let named = columnNames.prefix(columns).indices.filter { !columnNames[$0].isEmpty }
    let above = zip(named, named.dropFirst() + [columns]).map { column, next in
      let letters = max((next - column) * (cellWidth + padding) / (PixelFont.advance * letterScale), 1)
      return (String(columnNames[column].prefix(letters)), padding, place(of: column).left)
    }
    return besides + above
  }
}
