/// What the page's template shows, in its own words: texts are escaped by the template, `markup` is drawn by us and already is.
struct PageView {
  let title: String
  let style: String
  let kinds: String
  let program: String
  let dataFile: String
  let summary: [String]
  let sections: [SectionView]
  let notes: [String]
}

struct SectionView {
  let id: String
  let title: String
  let introduction: [String]
  let blocks: [BlockView]
}

/// One part of a section; exactly one of its lists has an element. They are lists because a template takes what is absent
/// here from the block around it, and an empty list is not absent.
struct BlockView {
  private(set) var figures: [FigureView] = []
  private(set) var tables: [TableView] = []
  private(set) var galleries: [GalleryView] = []
  private(set) var strips: [StripView] = []
  private(set) var details: [DetailsView] = []
  private(set) var codes: [CodeView] = []
  private(set) var lists: [FactsView] = []

  /// - Parameter isHalf: whether two of them stand side by side where there is room.
  static func figure(
    _ title: String?, _ drawing: SVG, caption: String? = nil, isHalf: Bool = false
  ) -> BlockView {
    BlockView(figures: [
      FigureView(
        titles: title.map { [$0] } ?? [], markup: drawing.markup, captions: caption.map { [$0] } ?? [],
        isHalf: isHalf)
    ])
  }
  static func table(_ table: TableView) -> BlockView { BlockView(tables: [table]) }
  static func gallery(_ gallery: GalleryView) -> BlockView { BlockView(galleries: [gallery]) }
  static func strip(_ strip: StripView) -> BlockView { BlockView(strips: [strip]) }
  static func code(_ title: String, _ text: String) -> BlockView {
    BlockView(codes: [CodeView(title: title, text: text)])
  }
  static func details(_ title: String, isOpen: Bool = false, _ blocks: [BlockView]) -> BlockView {
    BlockView(details: [DetailsView(title: title, isOpen: isOpen, blocks: blocks)])
  }
  static func facts(_ facts: [FactsView.Fact]) -> BlockView { BlockView(lists: [FactsView(facts: facts)]) }
}

struct FigureView {
  /// One, or none.
  let titles: [String]
  let markup: String
  /// One, or none.
  let captions: [String]
  let isHalf: Bool
}

struct TableView {
  let columns: [CellView]
  let rows: [RowView]

  struct RowView { let cells: [CellView] }
  struct CellView {
    let text: String
    let isNumber: Bool
  }

  /// - Parameter numbers: which columns hold numbers and are aligned to the right.
  init(_ columns: [(title: String, isNumber: Bool)], _ rows: [[String]]) {
    self.columns = columns.map { CellView(text: $0.title, isNumber: $0.isNumber) }
    self.rows = rows.map { row in
      RowView(cells: zip(row, columns).map { CellView(text: $0, isNumber: $1.isNumber) })
    }
  }
}

struct GalleryView {
  let id: String
  /// One where there are several galleries, else none.
  let titles: [String]
  let names: [String]
  let rows: [Row]
  /// Declarations of the reference images that cells flicker with.
  let declarations: String
  let hasPairs: Bool
  /// Whether rows are so short that several stand beside each other.
  let isNarrow: Bool
  let size: ImageSize

  struct Row {
    let name: String
    let cells: [Cell]
  }
  struct Cell {
    let id: String
    let data: String
    let description: String
    /// One, or none for the reference itself.
    let differences: [String]
    /// Name of the style's declaration of the reference image; none for the reference itself.
    let references: [String]
    /// One below the other.
    let captions: [String]
  }
}

struct StripView {
  /// One where there are several strips, else none.
  let titles: [String]
  let columns: [String]
  let rows: [Row]
  let size: ImageSize

  struct Row {
    let name: String
    let frames: [Frame]
  }
  struct Frame {
    let data: String
    let description: String
  }
}

/// Small images are enlarged by a whole factor and not blurred, large ones made smaller.
struct ImageSize {
  let width: Int
  let height: Int
  let isPixelated: Bool

  /// - Parameter target: about how many pixels wide images are shown.
  init(width: Int, height: Int, target: Int) {
    let factor = max(target / max(width, 1), 1)
    isPixelated = width <= target
    self.width = isPixelated ? width * factor : target
    self.height = isPixelated ? height * factor : height * target / max(width, 1)
  }
}

struct DetailsView {
  let title: String
  let isOpen: Bool
  let blocks: [BlockView]
}

struct CodeView {
  let title: String
  let text: String
}

struct FactsView {
  let facts: [Fact]
  struct Fact {
    let name: String
    let value: String
  }
}
