/// Images at equal seeds.
struct ImagesSection {
  private let document: ReportDocument
  init(_ document: ReportDocument) { self.document = document }

  private static let width = 112
  /// Rows of so few models stand beside each other.
  private static let narrow = 3

  var view: SectionView? {
    if document.galleries.isEmpty { return nil }
    let hasPairs = document.galleries.contains { $0.models.count > 1 }
    return SectionView(
      id: "images", title: "Images",
      introduction: hasPairs
        ? [
          "Each row is one seed; the images that differ most come first. A click enlarges an image. In differences blue is darker "
            + "and orange lighter than the float image, \(Int(GalleryMaker.amplification)) times amplified."
        ] : ["A click enlarges an image."],
      blocks: document.galleries.enumerated().map { .gallery(gallery($1, id: "g\($0)")) })
  }

  private func gallery(_ gallery: ReportDocument.Gallery, id: String) -> GalleryView {
    let hasPairs = gallery.models.count > 1
    let declarations = gallery.rows.map { row in
      "--\(id)-\(row.image):url(data:image/png;base64,\(row.cells.first.map { Self.plain($0.png) } ?? ""))"
    }
    return GalleryView(
      id: id, titles: document.galleries.count > 1 ? [gallery.title] : [], names: gallery.models,
      rows: gallery.rows.map { row in
        .init(name: "\(row.image)", cells: cells(row, gallery, id: "\(id)-\(row.image)"))
      },
      declarations: hasPairs ? "#\(id){\(declarations.joined(separator: ";"))}" : "", hasPairs: hasPairs,
      isNarrow: gallery.models.count <= Self.narrow,
      size: ImageSize(width: gallery.width, height: gallery.height, target: Self.width))
  }

  private func cells(
    _ row: ReportDocument.Gallery.Row, _ gallery: ReportDocument.Gallery, id: String
  ) -> [GalleryView.Cell] {
    zip(row.cells, gallery.models).enumerated().map { position, entry in
      let (cell, name) = entry
      let caption = [cell.psnr.map { "\(fixed($0, 1)) dB" }, cell.ssim.map { "SSIM \(fixed($0, 3))" }].compactMap { $0 }
      return .init(
        id: "\(id)-\(position)", data: Self.plain(cell.png), description: "Image \(row.image), \(name)",
        differences: cell.difference.map { [Self.plain($0)] } ?? [], references: position == 0 ? [] : [id],
        captions: (gallery.models.count > 1 && gallery.models.count <= Self.narrow ? [name] : []) + caption)
    }
  }

  /// Base 64 and nothing else: it also stands in the style, where nothing is escaped.
  static func plain(_ base64: String) -> String {
    base64.filter { $0.isASCII && ($0.isLetter || $0.isNumber || "+/=".contains($0)) }
  }
}

/// One image over the steps.
struct StripSection {
  private let document: ReportDocument
  init(_ document: ReportDocument) { self.document = document }

  private static let width = 84

  var view: SectionView? {
    if document.strips.isEmpty { return nil }
    return SectionView(
      id: "strip", title: "From noise to image",
      introduction: [
        "What each model predicts of the finished image at some steps, from the same noise, each on its own way."
      ],
      blocks: document.strips.map { strip in
        .strip(
          StripView(
            titles: document.strips.count > 1 ? [strip.title] : [], columns: strip.steps.map(String.init),
            rows: strip.rows.map { row in
              .init(
                name: row.model,
                frames: zip(row.frames, strip.steps).map {
                  .init(data: ImagesSection.plain($0), description: "Image \(strip.image) at step \($1), \(row.model)")
                })
            }, size: ImageSize(width: strip.width, height: strip.height, target: Self.width)))
      })
  }
}
